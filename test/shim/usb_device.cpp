// SPDX-License-Identifier: MIT
// What an ordinary keyboard answers.
#include "shim/usb_device.hpp"

#include <algorithm>

namespace shim {

UsbAnswer UsbDevice::answer(const lib::usb::Setup& setup, const UsbBytes& out) {
    requests.push_back(setup);
    if (special) {
        if (const auto answered = special(setup)) return *answered;
    }
    const auto start_of = [&](const UsbBytes& whole) {
        const auto size = std::min<std::size_t>(setup.length, whole.size());
        return UsbAnswer{
            lib::xhci::Completion::success,
            UsbBytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))};
    };
    if (setup.request == 6 && setup.value == 0x0100) return start_of(device_descriptor);
    if (setup.request == 6 && setup.value == 0x0200) return start_of(configuration);
    if (setup == lib::usb::set_lights(0)) {
        lights.push_back(out.at(0));
        return {};
    }
    if (setup.request == 6) return UsbAnswer::stall();
    return {};
}

unsigned UsbDevice::count(const lib::usb::Setup& setup) const {
    return static_cast<unsigned>(std::count(requests.begin(), requests.end(), setup));
}

void UsbDevice::report(std::uint8_t modifiers, std::initializer_list<std::uint8_t> usages) {
    UsbBytes bytes(8);
    bytes[0] = modifiers;
    std::copy(usages.begin(), usages.end(), bytes.begin() + 2);
    reports.push_back({lib::xhci::Completion::success, bytes});
}

} // namespace shim
