# SPDX-License-Identifier: MIT
"""Several CPUs in the same interleaving every time: QEMU counts instructions, one thread runs all
CPUs, and a word on the command line, `perturb=N`, makes each N another interleaving. What fails here
fails again with the same N. And the stress that does not repeat: CPUs that are truly parallel."""
from case import SELFTEST, Case, Comparison

SEEDS = range(50)
QUICK_SEEDS = (31,)
STRESS = range(12)
REPEATABLE = dict(processors=4, memory="256M", undisturbed=True,
                  qemu=("-machine", "q35", "-nodefaults", "-icount", "shift=0,sleep=off",
                        "-rtc", "base=2024-01-01,clock=vm"))


def period(seed):
    """Nanoseconds, which are instructions here: primes apart, so that seeds don't fall into step."""
    return 5003 + 1009 * seed


def clocked(name, seed):
    """Some of selftest, and the time that all of it took to the microsecond."""
    return Case(name, words=f"perturb={period(seed)} run=time selftest ipc; time selftest kill",
                expect=(r"(?s)(\nreal \d+\.\d{6} s.*){2}", r"(?m)^run: exit 0$"), seconds=300,
                **REPEATABLE)


def repeatable_cases():
    # Rarely QEMU's main thread wins the race for a timer that a CPU's thread is about to run, and sends
    # the turn on to the next CPU: an interleaving that the seed did not choose, once in some ten thousand
    # timers on a busy host. So these seeds have long periods, and two runs that are the same to the
    # microsecond show what is claimed: runs of different seeds never are.
    yield Comparison("repeatable: the same seed, the same run", clocked("a", 96), clocked("b", 96),
                     same=True, more=2)
    yield Comparison("repeatable: another seed, another run", clocked("a", 96), clocked("b", 97),
                     same=False, ignore="(?m)^clock: perturbed every .*$")
    for seed in SEEDS:
        options = dict(words=f"perturb={period(seed)} run=selftest", expect=SELFTEST, seconds=900,
                       **REPEATABLE)
        name = f"repeatable: selftest, 4 CPUs, seed {seed}"
        yield Case(name, long=True, **options)
        if seed in QUICK_SEEDS:
            yield Case(name, **options)
    for number in STRESS:
        yield Case(f"stress: selftest, 4 CPUs, run {number}", processors=4, memory="256M",
                   words="run=selftest", expect=SELFTEST, seconds=600, long=True)
    yield Case("perturb: words that are no period", words="perturb=100 perturb=5000 run=true",
               expect=(r"(?m)^clock: perturb=100 is no number from 2000: ignored$",
                       r"(?m)^run: exit 0$"))
