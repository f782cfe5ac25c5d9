# SPDX-License-Identifier: MIT
"""Keyboards on USB: a machine without PS/2, keys pressed through QEMU's monitor, plug and unplug."""

PROMPT = r"\$ \Z"
NO_PS2 = ("-machine", "q35,i8042=off")
KEYBOARD = ("-device", "usb-kbd,id=first")
SESSION = ((PROMPT, "echo one TWO\r"), (r"\none TWO\n.*" + PROMPT, "poweroff\r"))


def xhci(options="", device="qemu-xhci"):
    return ("-device", f"{device},id=usb{options}")


def plug(name):
    return lambda monitor: monitor.ask("device_add", driver="usb-kbd", id=name, bus="usb.0")


def unplug(name):
    return lambda monitor: monitor.ask("device_del", id=name)


def press(*keys):
    """Keys held together, for a moment."""
    held = [{"type": "qcode", "data": key} for key in keys]
    return lambda monitor: monitor.ask("send-key", keys=held, **{"hold-time": 20})


def hold(key, milliseconds):
    held = [{"type": "qcode", "data": key}]
    return lambda monitor: monitor.ask("send-key", keys=held, **{"hold-time": milliseconds})


def usb_cases(case):
    """Cases, made by `case`, which takes a name and what makes it differ."""

    def session(name, *qemu, typed=SESSION, **options):
        return case(f"usb: {name}", status=None, ends="poweroff", keyboard=True, typed=typed,
                    qemu=tuple(word for words in qemu for word in words), **options)

    yield session("session, qemu-xhci", NO_PS2, xhci(), KEYBOARD,
                  expect=(r"(?m)^keyboard: no PS/2 controller$",))
    yield session("session, nec-usb-xhci", NO_PS2, xhci(device="nec-usb-xhci"), KEYBOARD)
    yield session("session, by MSI", NO_PS2, xhci(",msix=off", "nec-usb-xhci"), KEYBOARD,
                  reject=(r"(?m)^panic:", "looked at every"))
    yield session("session, without interrupts", NO_PS2, xhci(",msi=off,msix=off", "nec-usb-xhci"),
                  KEYBOARD,
                  expect=(r"(?m)^usb 00:\d\d\.0: no interrupts .* every 8 ms$",))
    yield session("session, a keyboard of USB 1", NO_PS2, xhci(),
                  ("-device", "usb-kbd,usb_version=1"))
    yield session("session, board pc", ("-machine", "pc,i8042=off"), xhci(), KEYBOARD)
    yield session("session, beside PS/2", ("-machine", "pc"), xhci(), KEYBOARD, words="verbose",
                  typed=((r"(?m)^.*usb 00:\d\d\.0: port 5: keyboard 0627:0001$", "\r"), *SESSION))
    yield session("session, image, uefi", NO_PS2, xhci(), KEYBOARD, boot="cd", firmware="uefi",
                  seconds=180)
    yield session("session, image on a stick beside it", NO_PS2, KEYBOARD, boot="usb", seconds=120)
    yield session("session, behind bridges", NO_PS2,
                  ("-device", "pcie-root-port,id=root,chassis=1",
                   "-device", "pcie-pci-bridge,id=bridge,bus=root"),
                  xhci(",bus=bridge,addr=3"), KEYBOARD,
                  reject=(r"(?m)^panic:", "not used"))
    yield session("session, 6 GiB, two controllers", NO_PS2, xhci(),
                  ("-device", "qemu-xhci,id=other", "-device", "usb-kbd,bus=other.0"),
                  memory="6G")
    yield session("session, -nodefaults", NO_PS2, ("-nodefaults",), xhci(), KEYBOARD)

    yield session("Ctrl-C and shifted keys", NO_PS2, xhci(), KEYBOARD,
                  typed=((PROMPT, "spin\r"), (r"spin\n", press("ctrl", "c")),
                         (r"\^C\n.*" + PROMPT, "echo a"),
                         (r"echo a", press("shift", "2")), (r"@", press("caps_lock")),
                         (r"", "b"), (r"B", press("shift", "c")), (r"c", "\r"),
                         (r"\na@Bc\n.*" + PROMPT, press("caps_lock")), (r"", "poweroff\r")))
    yield session("a held key repeats", NO_PS2, xhci(), KEYBOARD,
                  typed=((PROMPT, hold("x", 900)), (r"xxxxx", press("ctrl", "u")),
                         (r"", "echo end\r"), (r"\nend\n.*" + PROMPT, "poweroff\r")))
    yield session("plug and unplug", NO_PS2, xhci(), words="verbose",
                  typed=((PROMPT, plug("first")),
                         (r"port 5: keyboard 0627:0001\n", "echo one\r"),
                         (r"\none\n.*" + PROMPT, plug("second")),
                         (r"port 6: keyboard 0627:0001\n", "echo two\r"),
                         (r"\ntwo\n.*" + PROMPT, unplug("second")), (r"", unplug("first")),
                         (r"", plug("third")),
                         (r"port \d: keyboard 0627:0001\n", "poweroff\r")))
    yield session("two keyboards, one unplugged", NO_PS2, xhci(), KEYBOARD,
                  ("-device", "usb-kbd,id=second"),
                  typed=((PROMPT, "echo one\r"), (r"\none\n.*" + PROMPT, unplug("second")),
                         (r"", "echo two\r"), (r"\ntwo\n.*" + PROMPT, "poweroff\r")))
    yield session("a held key ends with its keyboard", NO_PS2, xhci(), KEYBOARD, words="verbose",
                  typed=((PROMPT, hold("x", 1_000)), (r"xxx", unplug("first")),
                         (r"", plug("second")),
                         (r"port \d: keyboard 0627:0001\n", press("ctrl", "u")),
                         (r"", "poweroff\r")))
    yield session("devices that are no keyboards", NO_PS2, xhci(),
                  ("-device", "usb-mouse", "-device", "usb-tablet"), KEYBOARD,
                  ("-device", "usb-hub"), words="verbose",
                  expect=(r"(?s)( [0-9a-f]{4}:[0-9a-f]{4} is no keyboard\n.*){2}",
                          r"port \d: hub, not supported\n"))
    yield session("nobody on the bus, and a boot line", NO_PS2, xhci(),
                  words="verbose run=poweroff", typed=())
