// SPDX-License-Identifier: MIT
// Transfer request blocks: what rings are made of (xHCI 1.2, ch. 6.4).
#pragma once

#include "lib/usb/requests.hpp"

#include <cstdint>
#include <string_view>

namespace lib::xhci {

enum class TrbType : std::uint8_t {
    none = 0,
    normal = 1,
    setup = 2,
    data = 3,
    status = 4,
    link = 6,
    enable_slot = 9,
    disable_slot = 10,
    address_device = 11,
    configure_endpoint = 12,
    evaluate_context = 13,
    reset_endpoint = 14,
    set_dequeue = 16,
    transfer_event = 32,
    command_event = 33,
    port_event = 34,
    controller_event = 37,
};

/// How something ended (6.4.5). The controller may say any number.
enum class Completion : std::uint8_t {
    invalid = 0,
    success = 1,
    buffer_error = 2,
    babble = 3,
    transaction_error = 4,
    trb_error = 5,
    stall = 6,
    no_slots = 9,
    short_packet = 13,
    parameter_error = 17,
    context_state_error = 19,
    split_error = 36,
};
constexpr std::string_view describe(Completion completion) {
    switch (completion) {
    case Completion::success: return "success";
    case Completion::buffer_error: return "buffer error";
    case Completion::babble: return "babble";
    case Completion::transaction_error: return "transaction error";
    case Completion::trb_error: return "TRB error";
    case Completion::stall: return "stall";
    case Completion::no_slots: return "no slots left";
    case Completion::short_packet: return "short packet";
    case Completion::parameter_error: return "parameter error";
    case Completion::context_state_error: return "context state error";
    case Completion::split_error: return "split transaction error";
    default: return "error";
    }
}

struct alignas(16) Trb {
    std::uint64_t parameter = 0;
    std::uint32_t status = 0;
    std::uint32_t control = 0;

    static constexpr std::uint32_t cycle = 1U << 0;
    static constexpr std::uint32_t toggle_cycle = 1U << 1; // of a link
    static constexpr std::uint32_t event_if_short = 1U << 2;
    static constexpr std::uint32_t event_at_end = 1U << 5;
    static constexpr std::uint32_t immediate = 1U << 6;
    static constexpr std::uint32_t to_host = 1U << 16;

    constexpr TrbType type() const { return static_cast<TrbType>(control >> 10 & 0x3F); }

    // Of events.
    constexpr Completion completion() const { return static_cast<Completion>(status >> 24); }
    constexpr std::uint32_t residue() const { return status & 0xFF'FFFF; } // not transferred
    constexpr std::uint8_t slot() const { return static_cast<std::uint8_t>(control >> 24); }
    constexpr std::uint8_t endpoint() const {
        return static_cast<std::uint8_t>(control >> 16 & 0x1F);
    }
    constexpr std::uint8_t port() const { return static_cast<std::uint8_t>(parameter >> 24); }
};
static_assert(sizeof(Trb) == 16);

constexpr std::uint32_t trb_type(TrbType type) { return static_cast<std::uint32_t>(type) << 10; }

/// A command for a slot, with an input context's address where the command has one.
constexpr Trb slot_command(TrbType type, std::uint8_t slot, std::uint64_t parameter = 0) {
    return {parameter, 0, trb_type(type) | std::uint32_t{slot} << 24};
}
constexpr Trb endpoint_command(TrbType type, std::uint8_t slot, std::uint8_t endpoint,
                               std::uint64_t parameter = 0) {
    return {parameter, 0,
            trb_type(type) | std::uint32_t{slot} << 24 | std::uint32_t{endpoint} << 16};
}

// The stages of a control transfer (4.11.2.2).
constexpr Trb setup_stage(const usb::Setup& setup) {
    const std::uint32_t direction = setup.length == 0 ? 0 : setup.to_host() ? 3U : 2U;
    return {setup.packed(), 8, trb_type(TrbType::setup) | Trb::immediate | direction << 16};
}
constexpr Trb data_stage(const usb::Setup& setup, std::uint64_t buffer) {
    return {buffer, setup.length,
            trb_type(TrbType::data) | (setup.to_host() ? Trb::to_host : 0) | Trb::event_if_short};
}
constexpr Trb status_stage(const usb::Setup& setup) {
    const bool to_host = setup.length == 0 || !setup.to_host();
    return {0, 0, trb_type(TrbType::status) | (to_host ? Trb::to_host : 0) | Trb::event_at_end};
}

/// A report from an interrupt endpoint.
constexpr Trb report_transfer(std::uint64_t buffer, std::uint32_t bytes) {
    return {buffer, bytes, trb_type(TrbType::normal) | Trb::event_if_short | Trb::event_at_end};
}

} // namespace lib::xhci
