"use strict";

/** Charts as files: a drawing of lines as SVG or on a canvas, and a canvas as PNG or as a PDF of one page. */
(() => {
  const STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "opacity", "font-family", "font-size", "font-weight"];
  const SCALE = 4;
  /** @type {Record<string, CanvasTextAlign>} */
  const ANCHORS = { middle: "center", end: "right" };

  /** What a function makes of the page in its light colours.
   * @template T
   * @param {() => T} work
   * @returns {T} */
  function inLight(work) {
    const { dataset } = document.documentElement;
    const own = dataset.theme;
    dataset.theme = "light";
    try {
      return work();
    } finally {
      if (own === undefined) delete dataset.theme;
      else dataset.theme = own;
    }
  }

  /** The drawing as it is shown, on white, with its styles in it.
   * @param {Element} shown */
  function alone(shown) {
    const copy = /** @type {Element} */ (shown.cloneNode(true));
    const drawn = [shown, ...shown.querySelectorAll("*")];
    inLight(() => [copy, ...copy.querySelectorAll("*")].forEach((element, i) => {
      const style = getComputedStyle(drawn[i]);
      for (const property of STYLES) element.setAttribute(property, style.getPropertyValue(property));
    }));
    const { width, height } = shown.getBoundingClientRect();
    for (const [name, value] of Object.entries({ xmlns: copy.namespaceURI || "", width, height })) copy.setAttribute(name, String(value));
    const ground = document.createElementNS(copy.namespaceURI, "rect");
    for (const [name, value] of Object.entries({ width: "100%", height: "100%", fill: "#ffffff" })) ground.setAttribute(name, value);
    copy.prepend(ground);
    return copy;
  }

  /** One element of such a drawing on a canvas. The page's policy lets no drawing be loaded as a picture.
   * @param {CanvasRenderingContext2D} pen
   * @param {Element} element */
  function put(pen, element) {
    /** @param {string} name */
    const number = (name) => Number.parseFloat(element.getAttribute(name) || "0");
    /** @param {string} name */
    const strength = (name) => number(name) * number("opacity");
    const [fill, stroke] = ["fill", "stroke"].map((name) => element.getAttribute(name));
    pen.fillStyle = fill === "none" ? "transparent" : fill;
    pen.strokeStyle = stroke === "none" ? "transparent" : stroke;
    if (element.tagName === "text") {
      pen.font = ["font-weight", "font-size", "font-family"].map((name) => element.getAttribute(name)).join(" ");
      pen.textAlign = ANCHORS[element.getAttribute("text-anchor")] || "left";
      pen.globalAlpha = strength("fill-opacity");
      pen.fillText(element.textContent, number("x"), number("y"));
      return;
    }
    const shape = new Path2D(element.getAttribute("d") || undefined);
    if (element.tagName === "rect") shape.rect(number("x"), number("y"), number("width"), number("height"));
    if (element.tagName === "circle") shape.arc(number("cx"), number("cy"), number("r"), 0, 2 * Math.PI);
    pen.globalAlpha = strength("fill-opacity");
    pen.fill(shape);
    pen.globalAlpha = strength("stroke-opacity");
    pen.lineWidth = number("stroke-width");
    pen.setLineDash((element.getAttribute("stroke-dasharray").match(/[\d.]+/g) || []).map(Number));
    pen.stroke(shape);
  }

  /** @param {Element} shown */
  function painted(shown) {
    const drawing = alone(shown);
    const [width, height] = /** @type {SVGSVGElement} */ (shown).getAttribute("viewBox").split(" ").slice(2).map(Number);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [SCALE * width, SCALE * height];
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.scale(SCALE, SCALE);
    for (const element of drawing.querySelectorAll("rect:not([width='100%']), path, circle, text")) put(pen, element);
    return canvas;
  }

  /** A page that holds the picture and nothing else, every pixel as it is.
   * @param {HTMLCanvasElement} canvas
   * @returns {Promise<Blob>} */
  async function page(canvas) {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const colours = new Uint8Array(3 * width * height);
    for (let from = 0, to = 0; from < data.length; from += 4, to += 3) colours.set(data.subarray(from, from + 3), to);
    const packed = new Uint8Array(await new Response(new Blob([colours]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer());
    const size = [width, height].map((pixels) => (0.75 * pixels) / SCALE);
    const place = `q ${size[0]} 0 0 ${size[1]} 0 0 cm /P Do Q`;
    /** @type {[string, (string | Uint8Array)?][]} */
    const objects = [
      ["<</Type/Catalog/Pages 2 0 R>>"],
      ["<</Type/Pages/Kids[3 0 R]/Count 1>>"],
      [`<</Type/Page/Parent 2 0 R/MediaBox[0 0 ${size.join(" ")}]/Resources<</XObject<</P 5 0 R>>>>/Contents 4 0 R>>`],
      [`<</Length ${place.length}>>`, place],
      [`<</Type/XObject/Subtype/Image/Width ${width}/Height ${height}/ColorSpace/DeviceRGB/BitsPerComponent 8/Filter/FlateDecode/Length ${packed.length}>>`, packed],
    ];
    /** @type {(string | Uint8Array)[]} */
    const parts = ["%PDF-1.4\n"];
    /** @type {string[]} */
    const starts = [];
    const length = () => parts.reduce((sum, part) => sum + part.length, 0);
    objects.forEach(([head, stream], i) => {
      starts.push(`${String(length()).padStart(10, "0")} 00000 n \n`);
      parts.push(`${i + 1} 0 obj\n${head}\n`);
      if (stream) parts.push("stream\n", stream, "\nendstream\n");
      parts.push("endobj\n");
    });
    const tail = `trailer\n<</Size ${objects.length + 1}/Root 1 0 R>>\nstartxref\n${length()}\n%%EOF\n`;
    parts.push(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${starts.join("")}${tail}`);
    return new Blob(/** @type {BlobPart[]} */ (parts), { type: "application/pdf" });
  }

  /** @param {string} name
   * @param {Blob} content */
  function keep(name, content) {
    const link = document.createElement("a");
    Object.assign(link, { download: name, href: URL.createObjectURL(content) }).click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  /** A canvas as PNG or PDF.
   * @param {HTMLCanvasElement} canvas
   * @param {string} name
   * @param {string} kind */
  async function raster(canvas, name, kind) {
    /** @type {Blob} */
    const content = kind === "pdf" ? await page(canvas) : await new Promise((done) => { canvas.toBlob(done, "image/png"); });
    keep(`${name}.${kind}`, content);
  }

  /** The drawing of lines that is shown, as SVG, PNG or PDF.
   * @param {Element} shown
   * @param {string} name
   * @param {string} kind */
  async function lines(shown, name, kind) {
    if (kind === "svg") keep(`${name}.svg`, new Blob([new XMLSerializer().serializeToString(alone(shown))], { type: "image/svg+xml" }));
    else await raster(painted(shown), name, kind);
  }

  window.elue.pictureFiles = { scale: SCALE, keep, raster, lines };
})();
