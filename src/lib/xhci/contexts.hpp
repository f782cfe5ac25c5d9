// SPDX-License-Identifier: MIT
// Contexts: what the controller keeps of a device, and how it is told (xHCI 1.2, ch. 6.2). A
// context has 32 or 64 bytes, as the controller likes; 32 are used.
//
//   device context:   slot | endpoint 0 | endpoint 1 out | endpoint 1 in | ...
//   input context:    which to add | slot | endpoint 0 | ...
//
// Endpoints are numbered by their place in the device context: 1 is endpoint 0, 2 n + 1 is endpoint
// n towards the host.
#pragma once

#include "lib/xhci/host.hpp"

#include <cstdint>

namespace lib::xhci {

/// As ports tell it (7.2.2.1.1, default speed numbers).
enum class Speed : std::uint8_t { full = 1, low = 2, high = 3, super = 4, super_plus = 5 };

/// Contexts of one device: 32, and one more for input; all of 64 bytes.
inline constexpr std::size_t device_context_bytes = 32 * 64;
inline constexpr std::size_t input_context_bytes = 33 * 64;
inline constexpr std::uint8_t control_endpoint = 1;

/// An input context in memory, being written.
class InputContext {
public:
    /// `memory` has room for input_context_bytes; `context_bytes` is 32 or 64. Clears all.
    InputContext(DmaMemory memory, std::uint32_t context_bytes);

    /// The slot, with contexts up to `last_endpoint`.
    void set_slot(Speed speed, std::uint8_t root_port, std::uint8_t last_endpoint);
    void set_control_endpoint(std::uint16_t packet_bytes, std::uint64_t ring_position);
    /// An interrupt endpoint towards the host; `interval` as its descriptor tells it.
    void set_interrupt_endpoint(std::uint8_t endpoint, Speed speed, std::uint16_t packet_bytes,
                                std::uint8_t interval, std::uint64_t ring_position);

private:
    /// The words of the context with that number, which is marked as one to add.
    std::uint32_t* add(std::uint8_t number);

    std::byte* bytes_;
    std::uint32_t context_bytes_;
};

/// Bytes in a packet to endpoint 0, before the device told.
std::uint16_t first_packet_bytes(Speed speed);

/// A descriptor's interval (USB 2.0, table 9-13) as the exponent of 2 of microframes (xHCI 1.2,
/// 6.2.3.6). Whatever the device says, no more often than every millisecond.
std::uint32_t interval_exponent(Speed speed, std::uint8_t interval);

} // namespace lib::xhci
