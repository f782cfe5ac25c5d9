# SPDX-License-Identifier: MIT
"""Switching off and starting again, by all the ways that machines offer."""

PROMPT = r"\$ \Z"
MACHINES = {"pc": "pc", "q35": "q35", "pc without PS/2": "pc,i8042=off",
            "q35 without PS/2": "q35,i8042=off",
            # Hardware-reduced ACPI: registers in memory.
            "microvm": "microvm,acpi=on"}


def power_cases(case):
    """Cases, made by `case`, which takes a name and what makes it differ."""
    for name, machine in MACHINES.items():
        for command, ends in (("poweroff", "poweroff"), ("reboot", "reboot")):
            yield case(f"power: {command}, {name}", status=None, ends=ends,
                       words=f"run={command}", qemu=("-machine", machine),
                       reject=(r"(?m)^panic:", r"(?m)^power: "))
    for command, ends in (("poweroff", "poweroff"), ("reboot", "reboot")):
        yield case(f"power: {command}, q35, uefi", status=None, ends=ends, boot="cd",
                   firmware="uefi", qemu=("-machine", "q35"), typed=((PROMPT, f"{command}\r"),),
                   reject=(r"(?m)^panic:", r"(?m)^power: "), seconds=180)
    yield case("power: reboot, no ACPI", status=None, ends="reboot", words="run=reboot",
               qemu=("-machine", "pc,acpi=off"))
    yield case("power: off, no ACPI: said so", status=35, words="run=poweroff",
               qemu=("-machine", "pc,acpi=off"),
               expect=(r"(?m)^power: ACPI did not switch off: not found$",
                       r"(?m)^poweroff: .*not supported"))
