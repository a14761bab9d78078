"""The numbers of Linux system calls that are refused to a worker, and what in their arguments decides it."""

from __future__ import annotations

from dataclasses import dataclass

MACHINES = ("x86_64", "aarch64")

NUMBERS: dict[str, tuple[int, int | None]] = {
    # name: (x86_64, aarch64); None where the machine has no such call
    "ioctl": (16, 29),
    "mincore": (27, 232),
    "madvise": (28, 233),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "socket": (41, 198),
    "connect": (42, 203),
    "accept": (43, 202),
    "bind": (49, 200),
    "listen": (50, 201),
    "clone": (56, 220),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "kill": (62, 129),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "shmdt": (67, 197),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "fcntl": (72, 25),
    "flock": (73, 32),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "ptrace": (101, 117),
    "setpgid": (109, 154),
    "setsid": (112, 157),
    "rt_sigqueueinfo": (129, 138),
    "utime": (132, None),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "pivot_root": (155, 41),
    "prctl": (157, 167),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "readahead": (187, 213),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "tkill": (200, 130),
    "sched_setaffinity": (203, 122),
    "semtimedop": (220, 192),
    "io_setup": (206, 0),
    "fadvise64": (221, 223),
    "tgkill": (234, 131),
    "utimes": (235, None),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184),
    "mq_getsetattr": (245, 185),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "inotify_init": (253, None),
    "fchownat": (260, 54),
    "futimesat": (261, None),
    "fchmodat": (268, 53),
    "unshare": (272, 97),
    "get_robust_list": (274, 100),
    "move_pages": (279, 239),
    "utimensat": (280, 88),
    "accept4": (288, 242),
    "inotify_init1": (294, 26),
    "rt_tgsigqueueinfo": (297, 240),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "prlimit64": (302, 261),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "finit_module": (313, 273),
    "sched_setattr": (314, 274),
    "memfd_create": (319, 279),
    "bpf": (321, 280),
    "execveat": (322, 281),
    "userfaultfd": (323, 282),
    "preadv2": (327, 286),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "pidfd_open": (434, 434),
    "clone3": (435, 435),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "mount_setattr": (442, 442),
    "process_mrelease": (448, 448),
    "cachestat": (451, 451),
    "fchmodat2": (452, 452),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}

PROCESSES = ("fork", "vfork", "execve", "execveat")
"""What starts processes and programs; `clone` does so, too, but also starts threads."""


@dataclass(frozen=True, slots=True)
class OnlyItself:
    """A call that names a process by an argument: only this one by its number and, where `zero`, by 0 are allowed.

    Where the argument before says what kind of thing is named, it has to be `kind`.
    """

    argument: int
    zero: bool = True
    kind: int | None = None


ONLY_ITSELF = {
    "kill": OnlyItself(0, zero=False),
    "tgkill": OnlyItself(0, zero=False),
    "rt_sigqueueinfo": OnlyItself(0, zero=False),
    "rt_tgsigqueueinfo": OnlyItself(0, zero=False),
    "prlimit64": OnlyItself(0),
    "sched_setparam": OnlyItself(0),
    "sched_setscheduler": OnlyItself(0),
    "sched_setaffinity": OnlyItself(0),
    "sched_setattr": OnlyItself(0),
    "get_robust_list": OnlyItself(0),
    "migrate_pages": OnlyItself(0),
    "move_pages": OnlyItself(0),
    "setpriority": OnlyItself(1, kind=0),
    "ioprio_set": OnlyItself(1, kind=1),
}
"""Calls for a process that may be another one. A 0 in `kill` is the whole group."""

NOT_WITH: dict[str, tuple[int, tuple[int, ...]]] = {
    "prctl": (0, (1, 35, 36, 62, 0x59616D61)),
    "madvise": (2, (20, 21)),
}
"""Calls that do many things, by the argument that says which, and those that are refused.

`prctl`: PR_SET_PDEATHSIG, PR_SET_MM, PR_SET_CHILD_SUBREAPER, PR_SCHED_CORE, PR_SET_PTRACER. `madvise`: MADV_COLD and
MADV_PAGEOUT, which drop what others read next from memory.
"""

ONLY_WITH: dict[str, tuple[int, tuple[int, ...]]] = {
    "fcntl": (1, (0, 1, 2, 3, 4, 1027, 1030, 1032, 1033, 1034)),
    "ioctl": (1, (0x5401, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),
}
"""The same, and all that is left: what these do to a file, others that have it open see, even where it is read-only.

`fcntl`: copies of a handle, its flags and those of its file, the size of a pipe, seals (F_DUPFD, F_GETFD, F_SETFD,
F_GETFL, F_SETFL, F_DUPFD_QUERY, F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS); neither record locks, owners,
signals, leases and notices, nor hints of how long data live. `ioctl`: what a terminal is, bytes that wait, not to wait,
closing (TCGETS, TIOCGPGRP, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX); neither signals and owners, nor flags of
a file.
"""

ASYNC = 0x2000
"""In the flags of a file: signals to its owner (O_ASYNC), for `fcntl` with F_SETFL, 4."""

ABSENT = ("clone3", "flock", "mincore", "preadv2", "cachestat")
"""Refused as if the system lacked them: what wants them then goes another way, or gives up at once. The last three tell
which parts of a file are in memory, so what another worker has read."""

VAIN = ("fadvise64", "readahead")
"""Taken, and nothing done: advice on what of a file is to be in memory."""

MARKS = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat", "file_setattr"),
    *("setxattr", "lsetxattr", "fsetxattr", "setxattrat"),
    *("removexattr", "lremovexattr", "fremovexattr", "removexattrat"),
)
"""What changes a file's mode, owner, times and attributes, which Landlock lets pass: of all the user's files."""

ALWAYS = tuple(
    name
    for name in NUMBERS
    if name not in {*ONLY_ITSELF, *NOT_WITH, *ONLY_WITH, *ABSENT, *VAIN, *MARKS, *PROCESSES, "clone"}
)
"""Refused whatever their arguments are."""
