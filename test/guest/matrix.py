# SPDX-License-Identifier: MIT
"""The machines: processors, boards, clocks, memory, CPUs, screens, firmware. Each machine runs the
kernel's contract tests and selftest, or the session of a user at its screen. `make test-long` runs
all and prints them as a table; those named in QUICK are in `make test` too."""
import dataclasses

from case import BANNER, CONTRACTS, MEMORY, REJECT_FAILURES, SELFTEST, Case, user_session

BOARDS = ("pc", "q35")
MODELS = ("qemu64", "Nehalem", "Skylake-Client", "Icelake-Server", "EPYC", "max")
MORE_MODELS = ("SandyBridge", "Haswell", "Skylake-Server", "EPYC-Rome", "phenom", "Opteron_G1",
               "kvm64", "max,-pdpe1gb", "max,-smap", "max,-smep", "max,-fsgsbase", "max,-xsave",
               "max,-pge", "max,-umip")
MEMORIES = ("128M", "256M", "1G", "3G", "4G", "8G")
PROCESSORS = (1, 2, 4, 8, "6,sockets=2,cores=3")
SCREENS = {"std": ("-vga", "std"), "cirrus": ("-vga", "cirrus"), "vmware": ("-vga", "vmware"),
           "virtio": ("-vga", "virtio"),
           "bochs-display": ("-vga", "none", "-device", "bochs-display"),
           "none": ("-vga", "none")}
STRICT_MODELS = ("corei7_skylake_x", "tigerlake", "corei5_lynnfield_750", "corei7_haswell_4770",
                 "ryzen", "zambezi", "athlon64_venice")

# What `make test` runs of it, by the beginning of the name.
QUICK = ("matrix: q35, Skylake-Client:", "matrix: pc, 2 CPUs: ktest", "matrix: pc, 2 CPUs: selftest",
         "matrix: q35, 4 CPUs:", "matrix: q35, no HPET: ktest",
         "matrix: q35, screen cirrus: session, bios",
         "matrix: pc, screen bochs-display: session, uefi", "matrix: Bochs, tigerlake:")


def both(machine, **options):
    """The kernel's contract tests and selftest on a machine."""
    yield Case(f"matrix: {machine}: ktest", words="ktest ktest-exit", expect=CONTRACTS,
               reject=REJECT_FAILURES, machine=machine, work="ktest", seconds=120, **options)
    yield Case(f"matrix: {machine}: selftest", words="run=selftest", expect=SELFTEST,
               machine=machine, work="selftest", seconds=600,
               **{"memory": "256M", **options})


def strict(machine, words="ktest run=selftest", expect=(*CONTRACTS, *SELFTEST), **options):
    """The same in Bochs, in one run: BIOS and GRUB take half as long as the tests."""
    work = "ktest, selftest" if "selftest" in words else "ktest"
    yield Case(f"matrix: {machine}: {work}", boot="bochs", status=None, ends="poweroff",
               words=words, memory="256M", expect=expect, reject=REJECT_FAILURES, machine=machine,
               work=work, seconds=600, **options)


def session(machine, firmware, **options):
    """What a user does first, by the serial line, with the prompt on the screen."""
    screen = () if machine.endswith("screen none") else (r"(?m)\$$",)
    yield user_session(f"matrix: {machine}: session, {firmware}", firmware=firmware, screen=screen,
                       machine=machine, work=f"session, {firmware}",
                       **{"boot": "cd", "seconds": 240, **options})


def all_machines():
    for board in BOARDS:
        for model in MODELS:
            yield from both(f"{board}, {model}", cpu=model, qemu=("-machine", board))
    for model in MORE_MODELS:
        yield from both(f"pc, {model}", cpu=model)
    for board in BOARDS:
        yield from both(f"{board}, no HPET", qemu=("-machine", f"{board},hpet=off"))
        for memory in MEMORIES:
            yield from both(f"{board}, {memory}", memory=memory, qemu=("-machine", board))
    for board in BOARDS:
        for processors in PROCESSORS:
            name = f"{board}, {processors} CPUs"
            yield from both(name, processors=processors, qemu=("-machine", board))
            for firmware in ("bios", "uefi"):
                yield from session(name, firmware, processors=processors,
                                   qemu=("-machine", board))
    for name, words in SCREENS.items():
        for board in BOARDS:
            for firmware in ("bios", "uefi"):
                yield from session(f"{board}, screen {name}", firmware,
                                   qemu=("-machine", board, *words))
    for board in BOARDS:
        for boot in ("cd", "usb"):
            for memory in ("128M", "5G"):
                for firmware in ("bios", "uefi"):
                    yield from session(f"{board}, {memory}, from {boot}", firmware, boot=boot,
                                       memory=memory, qemu=("-machine", board))
    for model in STRICT_MODELS:
        yield from strict(f"Bochs, {model}", cpu=model)
    yield from strict("Bochs, tigerlake without ACPI", cpu="tigerlake",
                      words="ktest ktest-exit", expect=CONTRACTS,
                      bochs=("pci: enabled=1, chipset=i430fx",))
    for processors in (2, 4):
        yield from strict(f"Bochs, corei7_skylake_x, {processors} CPUs", cpu="corei7_skylake_x",
                          processors=processors)


def machines():
    """All of them, each once: the quick ones for both `make test` and `make test-long`."""
    for one in all_machines():
        yield dataclasses.replace(one, long=True)
        if one.name.startswith(QUICK):
            yield one
