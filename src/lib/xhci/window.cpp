// SPDX-License-Identifier: MIT
// Capability registers (xHCI 1.2, ch. 5.3) and the list of extended capabilities (ch. 7).
#include "lib/xhci/window.hpp"

namespace lib::xhci {
namespace {

/// More than any controller has. (The list only leads forward, so it ends by itself too.)
constexpr unsigned extended_limit = 64;

} // namespace

Result<Window> Window::open(const Host& host) {
    Window window(host);
    if (!window.within(0, cap_bytes)) return Error::bad_format;
    const std::uint32_t length = window.read(cap_length);
    if (length == ~0U) return Error::bad_format; // nobody drives the bus
    const std::uint32_t structural_1 = window.read(cap_structural_1);
    const std::uint32_t structural_2 = window.read(cap_structural_2);
    const std::uint32_t parameters = window.read(cap_parameters_1);
    window.operational_ = length & 0xFC;
    window.runtime_ = window.read(cap_runtime) & ~31U;
    window.doorbells_ = window.read(cap_doorbells) & ~3U;
    window.extended_ = (parameters >> 16) * 4;
    window.slots_ = static_cast<std::uint8_t>(structural_1);
    window.ports_ = static_cast<std::uint8_t>(structural_1 >> 24);
    window.scratch_pages_ = (structural_2 >> 21 & 0x1F) << 5 | structural_2 >> 27;
    window.context_bytes_ = (parameters & parameter_large_contexts) != 0 ? 64 : 32;
    window.reaches_all_ = (parameters & parameter_64_bit) != 0;
    window.port_power_ = (parameters & parameter_port_power) != 0;
    if (window.operational_ < cap_bytes || window.slots_ == 0 || window.ports_ == 0 ||
        !window.within(window.operational_, op_ports + op_port_bytes * window.ports_) ||
        !window.within(window.runtime_, runtime_bytes) ||
        !window.within(window.doorbells_, 4U * (window.slots_ + 1U)))
        return Error::bad_format;
    return window;
}

std::uint32_t Window::find_extended(std::uint32_t number, std::uint32_t after) const {
    std::uint32_t at = extended_;
    bool behind = after == 0;
    for (unsigned i = 0; i < extended_limit && at != 0 && within(at, 16); ++i) {
        const std::uint32_t head = read(at);
        if (head == ~0U) break;
        if (behind && (head & 0xFF) == number) return at;
        behind |= at == after;
        const std::uint32_t step = (head >> 8 & 0xFF) * 4;
        if (step == 0) break;
        at += step;
    }
    return 0;
}

} // namespace lib::xhci
