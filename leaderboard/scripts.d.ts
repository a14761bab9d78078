/** What the scripts of the pages share, for `tsc --checkJs`; it is no part of the site. */

/** A run on a chart, as `rows` of charts/data.py makes it; on each axis `at` holds value, low and high. */
interface ChartRow {
  run: string;
  curve: string;
  strand: string;
  family: string;
  kind: string;
  name: string;
  point: string;
  score: string;
  cost: string;
  trust: string;
  dash: number;
  front: boolean;
  /** On which other axes, across and up, it is on the front; where axes can be chosen. */
  fronts?: string[];
  keep: boolean;
  faded: boolean;
  sure: number;
  x: number;
  left: number;
  right: number;
  y: number;
  low: number;
  high: number;
  at: Record<string, [number, number, number]>;
}

/** The edges of a chart's axes. */
interface Edges {
  x0: number;
  x1: number;
  y0: number;
  y1: number;
}

/** The parameters of a spec, as charts/specs.py names them. */
interface ChartValues extends Edges {
  picked: string[];
  hovered: string;
  ticks: number[];
  floor: number;
  full: number;
  noted: boolean;
}

/** A method of several trainings at a cost, as charts/trainings.py makes it. */
interface ChartBand {
  method: string;
  curve: string;
  curves: string[];
  x: number;
  y: number;
  low: number;
  high: number;
}

/** A text in a chart, and where it starts: see charts/notes.py. */
interface ChartNote {
  text: string;
  x: number;
  y: number;
  family: string;
}

interface ChartSpec {
  datasets: { bands?: ChartBand[]; notes?: ChartNote[]; runs: ChartRow[]; [other: string]: any[] };
  params: { name: keyof ChartValues; value: any }[];
  layer: any[];
  [other: string]: any;
}

/** A chart that is drawn: see chart.js. */
interface LiveChart {
  id: string;
  board: string;
  canvas: HTMLElement;
  controls: HTMLElement;
  rows: ChartRow[];
  home: ChartValues;
  spec: ChartSpec;
  values: ChartValues;
  shown(): ChartRow[];
  view: VegaView;
  picked: Set<string>;
  off: Set<string>;
  zoom: Edges | null;
  published: boolean;
  axes: { x: string; y: string };
  draw(): Promise<void>;
  refresh(): Promise<void>;
  mark(): void;
  pin(curves: string[]): void;
  set(name: keyof ChartValues, value: any): void;
  zoomBy(factor: number, at?: { x: number; y: number }): void;
  pan(x: number, y: number): void;
}

/** The part of Vega's view that is used. */
interface VegaView {
  signal(name: string): any;
  signal(name: string, value: any): VegaView;
  data(name: string, rows: ChartRow[] | ChartBand[]): VegaView;
  runAsync(): Promise<VegaView>;
  finalize(): void;
  container(): HTMLElement;
  addEventListener(name: string, listener: (event: MouseEvent, item: { datum?: ChartRow } | null) => void): void;
  toSVG(): Promise<string>;
  toCanvas(scale: number): Promise<HTMLCanvasElement>;
}

declare function vegaEmbed(place: HTMLElement, spec: ChartSpec, options: Record<string, any>): Promise<{ view: VegaView }>;

/** The files of samplefiles.py: a board, one of its runs with its samples, and the paired tests. */
interface SampleBoard {
  opens: string;
  ids: string[];
  wrong: number[];
  spread: number[];
  metric: string;
  numbers: boolean;
  runs: SampleRun[];
}

interface SampleRun {
  run: string;
  curve: string;
  label: string;
  method: string;
  family: string;
  point: string;
  page: string;
  cost: number;
  score: number;
  says: string;
  ways: [name: string, count: number][];
}

interface RunSamples {
  flops: number[];
  error: number[];
  explained?: Record<string, Explained>;
}

interface Explained {
  tokens: string[];
  kept: number[][];
  exits: number[][];
  experts: Record<string, number[]>;
  stage: number | null;
}

/** The files of compared.py: the curves of a board, and what one has above another; levels and differences in hundredths of a point. */
interface PairsBoard {
  budgets: number[];
  curves: string[];
  levels: number[][];
  corners: [cost: number, score: number][][];
}

interface PairRow {
  at: (number | null)[][];
  words: string;
  mean: (number | null)[] | null;
}

interface ComparedBoard {
  board: string;
  title: string;
  curves: [id: string, label: string, method: string][];
  overall: ToldOverall;
  opens: [a: string, b: string, place: number];
  full: number;
}

/** What the first page tells of a board's methods; `edition` and `path` are empty where none ranks it. */
interface ToldOverall {
  static: string;
  edition: string;
  path: string;
  leads: Record<string, [value: number, low: number | null, high: number | null]>;
}

/** A pair as the page shows it: A first. */
interface Told {
  a: string;
  b: string;
  full: number;
  methods: string[];
  overall: ToldOverall;
  budgets: number[];
  levels: number[][];
  corners: [number, number][][];
  runs: SampleRun[][];
  within: (SampleRun | null)[][];
  apart: ToldApart;
}

interface ToldApart {
  at: { numbers: [number, number | null, number | null]; word: string }[];
  mean: { numbers: [number, number | null, number | null]; p: number | null } | null;
}

/** The first page's budgets: see pages/first.py. */
type BestEntry = [method: string, page: string, family: string, weights: number, value: number | null, low: number | null, high: number | null, word: string];

interface BudgetData {
  budgets: [low: number, high: number][];
  best: BestEntry[][];
}

interface PictureData {
  wide: string;
  narrow: string;
  every: string;
  description: string;
  page: string;
  file: string;
}

type Content = string | Node | null | undefined | Content[];

interface Elue {
  read(): URLSearchParams;
  write(changes: Record<string, string | null | undefined>): void;
  onChange(listener: (state: URLSearchParams) => void): void;
  load(name: string): Promise<any>;
  make<K extends keyof HTMLElementTagNameMap>(
    tag: K,
    content?: Content,
    attributes?: Record<string, string | number>,
  ): HTMLElementTagNameMap[K];
  bdi(text: string): HTMLElement;
  options(select: HTMLSelectElement, pairs: [value: string, label: string][], chosen?: string): void;
  units: [size: number, prefix: string][];
  flops(value: number): string;
  signed(value: number): string;
  showTip?(datum: ChartRow | null, x?: number, y?: number, chart?: LiveChart): void;
  explaining?: {
    words(tokens: string[]): string;
    explanation(explained: Explained): HTMLElement[];
  };
  comparing?: {
    turned(row: PairRow, sign: number): ToldApart;
    sentence(told: Told, place: number): Content[];
    inAll(told: Told): Content[];
    table(told: Told, chosen: number): HTMLElement;
    share(budget: number, full: number): string;
    costs(extra: number): string;
  };
  twoCurves?(told: Told, place: number, width: number, choose: (place: number) => void): Element;
  pictureFiles?: {
    scale: number;
    keep(name: string, content: Blob): void;
    raster(canvas: HTMLCanvasElement, name: string, kind: string): Promise<void>;
    lines(shown: Element, name: string, kind: string): Promise<void>;
  };
  showWays?(info: SampleRun, most: boolean): void;
  bySample?(board: SampleBoard, a: RunSamples, b: RunSamples): HTMLElement[];
  chartData?: {
    specOf(id: string): ChartSpec | null;
    told(chart: LiveChart, now: Edges): Edges & Pick<ChartValues, "ticks" | "floor" | "full" | "noted">;
    apart(notes: ChartNote[], edges: Edges, width: number, height: number): ChartNote[];
    domain(rows: ChartRow[], home: Edges): Edges;
    plain(svg: string): string;
  };
  chartAxes?: {
    dress(chart: LiveChart, spec: ChartSpec, narrow?: number): void;
    save(chart: LiveChart, kind: string): Promise<void>;
  };
  chartState?: {
    keep(chart: LiveChart): void;
    restore(chart: LiveChart, state: URLSearchParams): void;
  };
  chartControls?: {
    table(id: string): HTMLTableElement | null;
    listen(chart: LiveChart): void;
    wire(chart: LiveChart): void;
  };
}

interface Window {
  elue: Elue;
  elueData: Record<string, any>;
}

/** Scripts look for HTML elements only; another kind than HTMLElement is said where it is looked for. */
interface ParentNode {
  querySelector<K extends keyof HTMLElementTagNameMap>(selectors: K): HTMLElementTagNameMap[K] | null;
  querySelector<E extends HTMLElement = HTMLElement>(selectors: string): E | null;
  querySelectorAll<K extends keyof HTMLElementTagNameMap>(selectors: K): NodeListOf<HTMLElementTagNameMap[K]>;
  querySelectorAll<E extends HTMLElement = HTMLElement>(selectors: string): NodeListOf<E>;
}
