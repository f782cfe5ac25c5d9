// SPDX-License-Identifier: MIT
// Fields of slot and endpoint contexts.
#include "lib/xhci/contexts.hpp"

#include <algorithm>
#include <cstring>

namespace lib::xhci {
namespace {

constexpr std::uint32_t type_control = 4U << 3;
constexpr std::uint32_t type_interrupt_in = 7U << 3;
constexpr std::uint32_t three_errors = 3U << 1; // so many attempts before an error is one

} // namespace

InputContext::InputContext(DmaMemory memory, std::uint32_t context_bytes)
    : bytes_(memory.bytes), context_bytes_(context_bytes) {
    std::memset(bytes_, 0, input_context_bytes);
}

std::uint32_t* InputContext::add(std::uint8_t number) {
    reinterpret_cast<std::uint32_t*>(bytes_)[1] |= 1U << number;
    return reinterpret_cast<std::uint32_t*>(bytes_ + (number + 1U) * context_bytes_);
}

void InputContext::set_slot(Speed speed, std::uint8_t root_port, std::uint8_t last_endpoint) {
    std::uint32_t* const words = add(0);
    words[0] = static_cast<std::uint32_t>(speed) << 20 | std::uint32_t{last_endpoint} << 27;
    words[1] = std::uint32_t{root_port} << 16;
}

void InputContext::set_control_endpoint(std::uint16_t packet_bytes, std::uint64_t ring_position) {
    std::uint32_t* const words = add(control_endpoint);
    words[1] = type_control | three_errors | std::uint32_t{packet_bytes} << 16;
    words[2] = static_cast<std::uint32_t>(ring_position);
    words[3] = static_cast<std::uint32_t>(ring_position >> 32);
    words[4] = 8; // the average
}

void InputContext::set_interrupt_endpoint(std::uint8_t endpoint, Speed speed,
                                          std::uint16_t packet_bytes, std::uint8_t interval,
                                          std::uint64_t ring_position) {
    std::uint32_t* const words = add(endpoint);
    words[0] = interval_exponent(speed, interval) << 16;
    words[1] = type_interrupt_in | three_errors | std::uint32_t{packet_bytes} << 16;
    words[2] = static_cast<std::uint32_t>(ring_position);
    words[3] = static_cast<std::uint32_t>(ring_position >> 32);
    words[4] = packet_bytes | std::uint32_t{packet_bytes} << 16; // the average, and at a time
}

std::uint16_t first_packet_bytes(Speed speed) {
    switch (speed) {
    case Speed::low:
    case Speed::full: return 8;
    case Speed::high: return 64;
    case Speed::super:
    case Speed::super_plus: break;
    }
    return 512;
}

std::uint32_t interval_exponent(Speed speed, std::uint8_t interval) {
    constexpr std::uint32_t millisecond = 3; // 8 microframes
    if (speed == Speed::low || speed == Speed::full) {
        std::uint32_t exponent = millisecond; // 1 to 255 milliseconds, rounded down
        while (exponent < 10 && (2U << (exponent - millisecond)) <= interval) ++exponent;
        return exponent;
    }
    return std::clamp<std::uint32_t>(interval, millisecond + 1, 16) - 1;
}

} // namespace lib::xhci
