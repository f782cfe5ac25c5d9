// SPDX-License-Identifier: MIT
// A USB device for tests: answers control requests, has reports to give. Each answer can be
// replaced.
#pragma once

#include "lib/usb/requests.hpp"
#include "lib/xhci/contexts.hpp"
#include "lib/xhci/trb.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

namespace shim {

using UsbBytes = std::vector<std::uint8_t>;

/// How a request or a poll for a report ends. `none`: it never does.
struct UsbAnswer {
    std::optional<lib::xhci::Completion> completion = lib::xhci::Completion::success;
    UsbBytes bytes;
    static UsbAnswer none() { return {std::nullopt, {}}; }
    static UsbAnswer stall() { return {lib::xhci::Completion::stall, {}}; }
};

struct UsbDevice {
    lib::xhci::Speed speed = lib::xhci::Speed::full;
    UsbBytes device_descriptor{18, 1, 0, 2, 0, 0, 0, 8, 0x34, 0x12, 0x78, 0x56, 0, 1, 1, 2, 3, 1};
    UsbBytes configuration{9, 2, 34,   0,    1, 1, 0, 0xA0, 50, 9, 4, 0, 0,    1, 3, 1, 1,
                           0, 9, 0x21, 0x11, 1, 0, 1, 0x22, 63, 0, 7, 5, 0x81, 3, 8, 0, 10};
    bool answers_address = true;
    /// Asked first; nothing: the ordinary answer.
    std::function<std::optional<UsbAnswer>(const lib::usb::Setup&)> special;
    std::deque<UsbAnswer> reports;

    // What happened.
    std::vector<lib::usb::Setup> requests;
    UsbBytes lights;
    unsigned addressed = 0;

    UsbAnswer answer(const lib::usb::Setup& setup, const UsbBytes& out);
    unsigned count(const lib::usb::Setup& setup) const;
    void report(std::uint8_t modifiers, std::initializer_list<std::uint8_t> usages);
};

} // namespace shim
