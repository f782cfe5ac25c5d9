// SPDX-License-Identifier: MIT
// Registers of a host controller (xHCI 1.2, ch. 5). Offsets of capability registers are from the
// window's start, of the others from where the capability registers say.
#pragma once

#include <cstdint>

namespace lib::xhci {

// Capability registers (5.3).
inline constexpr std::uint32_t cap_length = 0x00; // bits 7:0; the version above
inline constexpr std::uint32_t cap_structural_1 = 0x04;
inline constexpr std::uint32_t cap_structural_2 = 0x08;
inline constexpr std::uint32_t cap_parameters_1 = 0x10;
inline constexpr std::uint32_t cap_doorbells = 0x14;
inline constexpr std::uint32_t cap_runtime = 0x18;
inline constexpr std::uint32_t cap_bytes = 0x20;

inline constexpr std::uint32_t parameter_64_bit = 1U << 0;
inline constexpr std::uint32_t parameter_large_contexts = 1U << 2;
inline constexpr std::uint32_t parameter_port_power = 1U << 3;

// Operational registers (5.4).
inline constexpr std::uint32_t op_command = 0x00;
inline constexpr std::uint32_t op_status = 0x04;
inline constexpr std::uint32_t op_page_size = 0x08;
inline constexpr std::uint32_t op_command_ring = 0x18;
inline constexpr std::uint32_t op_contexts = 0x30;
inline constexpr std::uint32_t op_configure = 0x38;
inline constexpr std::uint32_t op_ports = 0x400;
inline constexpr std::uint32_t op_port_bytes = 0x10;

inline constexpr std::uint32_t command_run = 1U << 0;
inline constexpr std::uint32_t command_reset = 1U << 1;
inline constexpr std::uint32_t command_interrupts = 1U << 2;

inline constexpr std::uint32_t status_halted = 1U << 0;
inline constexpr std::uint32_t status_system_error = 1U << 2;
inline constexpr std::uint32_t status_event = 1U << 3;
inline constexpr std::uint32_t status_not_ready = 1U << 11;
inline constexpr std::uint32_t status_controller_error = 1U << 12;

// Port status and control (5.4.8).
inline constexpr std::uint32_t port_connected = 1U << 0;
inline constexpr std::uint32_t port_enabled = 1U << 1; // writing one disables
inline constexpr std::uint32_t port_reset = 1U << 4;
inline constexpr std::uint32_t port_power = 1U << 9;
inline constexpr std::uint32_t port_speed_shift = 10;
inline constexpr std::uint32_t port_speed_mask = 0xF;
inline constexpr std::uint32_t port_connect_change = 1U << 17;
inline constexpr std::uint32_t port_changes = 0x7FU << 17; // writing one clears
inline constexpr std::uint32_t port_warm_reset = 1U << 31;
/// What a write has to repeat: power, indicator, wake-up. All else acts when one is written.
inline constexpr std::uint32_t port_kept = 1U << 9 | 3U << 14 | 7U << 25;

// Runtime registers (5.5): those of interrupter 0.
inline constexpr std::uint32_t runtime_management = 0x20;
inline constexpr std::uint32_t runtime_moderation = 0x24;
inline constexpr std::uint32_t runtime_segments = 0x28;
inline constexpr std::uint32_t runtime_segment_table = 0x30;
inline constexpr std::uint32_t runtime_dequeue = 0x38;
inline constexpr std::uint32_t runtime_bytes = 0x40;

inline constexpr std::uint32_t management_pending = 1U << 0; // writing one clears
inline constexpr std::uint32_t management_enable = 1U << 1;
inline constexpr std::uint32_t dequeue_busy = 1U << 3; // writing one clears

// Extended capabilities (7): number, offset of the next one in 32-bit words.
inline constexpr std::uint32_t extended_legacy = 1;
inline constexpr std::uint32_t extended_protocol = 2;
inline constexpr std::uint32_t legacy_firmware_owns = 1U << 16;
inline constexpr std::uint32_t legacy_system_owns = 1U << 24;
/// USBLEGCTLSTS: the firmware's interrupts, and their causes, which a one clears.
inline constexpr std::uint32_t legacy_control = 4;
inline constexpr std::uint32_t legacy_control_enables = 1U << 0 | 1U << 4 | 7U << 13;
inline constexpr std::uint32_t legacy_control_causes = 7U << 29;

} // namespace lib::xhci
