// SPDX-License-Identifier: MIT
// The model's commands and transfers (xHCI 1.2, ch. 4).
#include "shim/xhci_model.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

namespace shim {

using lib::xhci::Completion;
using lib::xhci::Trb;
using lib::xhci::trb_type;
using lib::xhci::TrbType;

/// The next TRB that was handed over, links followed; `place` is where it stands.
std::optional<Trb> XhciModel::next(std::uint64_t& at, bool& cycle, std::uint64_t& place) {
    for (int links = 0; links < 2; ++links) {
        const std::byte* const from = memory(at, 16);
        if (from == nullptr) return std::nullopt;
        Trb trb;
        std::memcpy(&trb, from, 16);
        if ((trb.control & 1) != (cycle ? 1U : 0U)) return std::nullopt;
        if (trb.type() != TrbType::link) {
            place = at;
            at += 16;
            return trb;
        }
        at = trb.parameter & ~15ULL;
        if ((trb.control & 2) != 0) cycle = !cycle;
    }
    complain(true, "a link to a link");
    return std::nullopt;
}

void XhciModel::run_commands() {
    std::uint64_t place = 0;
    while (prompt_commands != 0) {
        const auto trb = next(command_at_, command_cycle_, place);
        if (!trb) return;
        if (prompt_commands != ~0U) --prompt_commands;
        if (trb->type() == ignored) continue;
        std::uint8_t slot = trb->slot();
        const Completion completion = command(*trb, slot);
        post({place, static_cast<std::uint32_t>(completion) << 24,
              trb_type(TrbType::command_event) | std::uint32_t{slot} << 24});
    }
}

void XhciModel::go_on() {
    prompt_commands = ~0U;
    run_commands();
}

Completion XhciModel::command(const Trb& trb, std::uint8_t& slot) {
    if (trb.type() == TrbType::enable_slot) {
        slot = 1;
        while (slot <= configured_slots_ && slots_[slot].enabled) ++slot;
        if (slot > configured_slots_) return Completion::no_slots;
        slots_[slot] = {};
        slots_[slot].enabled = true;
        if (slot_override) slot = *slot_override;
        return Completion::success;
    }
    Slot& target = slots_[slot];
    if (complain(!target.enabled, "a command for a slot that is not enabled"))
        return Completion::parameter_error;
    Endpoint& endpoint = target.endpoints[trb.endpoint()];
    switch (trb.type()) {
    case TrbType::disable_slot: target = {}; return Completion::success;
    case TrbType::address_device: return address_device(trb);
    case TrbType::evaluate_context:
        complain(word(trb.parameter + 4) != 2, "evaluates something else than endpoint 0");
        return Completion::success;
    case TrbType::configure_endpoint: return configure(trb);
    case TrbType::reset_endpoint:
        if (!endpoint.halted) return Completion::context_state_error;
        endpoint.halted = false;
        return Completion::success;
    case TrbType::set_dequeue:
        if (endpoint.halted) return Completion::context_state_error;
        endpoint.dequeue = trb.parameter & ~15ULL;
        endpoint.cycle = (trb.parameter & 1) != 0;
        endpoint.armed = false;
        return Completion::success;
    default: complain(true, "an unknown command"); return Completion::trb_error;
    }
}

Completion XhciModel::address_device(const Trb& trb) {
    Slot& slot = slots_[trb.slot()];
    const std::uint64_t slot_context = trb.parameter + context_bytes;
    const std::uint64_t endpoint = trb.parameter + 2 * context_bytes;
    complain(word(trb.parameter + 4) != 3, "addresses without slot and endpoint 0");
    complain(address(contexts_ + 8U * trb.slot()) == 0, "addresses without a device context");
    slot.port = static_cast<std::uint8_t>(word(slot_context + 4) >> 16);
    if (complain(slot.port == 0 || slot.port > ports, "a port that there is not"))
        return Completion::parameter_error;
    slot.device = ports_[slot.port].device;
    if ((ports_[slot.port].status & 2) == 0 || slot.device == nullptr ||
        !slot.device->answers_address)
        return Completion::transaction_error;
    complain((word(slot_context) >> 20 & 15) != (ports_[slot.port].status >> 10 & 15),
             "another speed than the port's");
    ++slot.device->addressed;
    slot.endpoints[1] = {.dequeue = address(endpoint + 8) & ~15ULL,
                         .cycle = (word(endpoint + 8) & 1) != 0,
                         .enabled = true};
    // As a controller does: its own copy, and an address in the slot's last word.
    if (std::byte* const context = memory(address(contexts_ + 8U * trb.slot()), 2048)) {
        const std::uint32_t state = 2U << 27 | trb.slot();
        std::memcpy(context + 12, &state, 4);
    }
    return Completion::success;
}

Completion XhciModel::configure(const Trb& trb) {
    Slot& slot = slots_[trb.slot()];
    const std::uint32_t add = word(trb.parameter + 4);
    complain((add & 3) != 1 || word(trb.parameter) != 0, "configures slot or endpoint 0 wrongly");
    for (std::uint32_t number = 2; number < 32; ++number) {
        if ((add >> number & 1) == 0) continue;
        const std::uint64_t context = trb.parameter + (number + 1) * context_bytes;
        complain((word(context + 4) >> 3 & 7) != 7, "not an interrupt endpoint to the host");
        complain((word(context) >> 16 & 0xFF) < 3, "polls more often than every millisecond");
        complain(word(trb.parameter + context_bytes) >> 27 < number, "more contexts than it says");
        slot.endpoints[number] = {.dequeue = address(context + 8) & ~15ULL,
                                  .cycle = (word(context + 8) & 1) != 0,
                                  .enabled = true};
    }
    return Completion::success;
}

void XhciModel::transfer_event(std::uint8_t slot, std::uint8_t endpoint, std::uint64_t trb,
                               Completion completion, std::uint32_t residue) {
    post({trb, residue | static_cast<std::uint32_t>(completion) << 24,
          trb_type(TrbType::transfer_event) | std::uint32_t{slot} << 24 |
              std::uint32_t{endpoint} << 16});
}

void XhciModel::run_control(std::uint8_t number) {
    Slot& slot = slots_[number];
    Endpoint& endpoint = slot.endpoints[1];
    if (complain(!endpoint.enabled, "a transfer before the address")) return;
    if (complain(endpoint.halted, "a transfer to a halted endpoint")) return;
    std::uint64_t place = 0;
    while (const auto first = next(endpoint.dequeue, endpoint.cycle, place)) {
        if (complain(first->type() != TrbType::setup, "no setup stage first")) return;
        const auto setup = std::bit_cast<lib::usb::Setup>(first->parameter);
        std::uint64_t data_place = place;
        std::optional<Trb> data;
        if (setup.length != 0) {
            data = next(endpoint.dequeue, endpoint.cycle, data_place);
            if (complain(!data || data->type() != TrbType::data, "no data stage")) return;
        }
        std::uint64_t status_place = 0;
        const auto status = next(endpoint.dequeue, endpoint.cycle, status_place);
        if (complain(!status || status->type() != TrbType::status, "no status stage")) return;
        UsbBytes out;
        if (data && !setup.to_host()) {
            const auto* from = memory(data->parameter, setup.length);
            for (unsigned i = 0; from != nullptr && i < setup.length; ++i)
                out.push_back(std::to_integer<std::uint8_t>(from[i]));
        }
        UsbAnswer answer = slot.device != nullptr ? slot.device->answer(setup, out)
                                                  : UsbAnswer{Completion::transaction_error, {}};
        if (!answer.completion) return;
        if (*answer.completion != Completion::success) {
            endpoint.halted = true;
            return transfer_event(number, 1, data ? data_place : status_place, *answer.completion,
                                  setup.length);
        }
        if (data && setup.to_host()) {
            const auto size = std::min<std::size_t>(answer.bytes.size(), setup.length);
            if (std::byte* const to = memory(data->parameter, setup.length))
                std::copy_n(std::as_bytes(std::span(answer.bytes)).begin(), size, to);
            if (size < setup.length)
                transfer_event(number, 1, data_place, Completion::short_packet,
                               static_cast<std::uint32_t>(setup.length - size));
        }
        transfer_event(number, 1, status_place, Completion::success, 0);
    }
}

void XhciModel::run_reports(std::uint8_t number, std::uint8_t place) {
    Slot& slot = slots_[number];
    Endpoint& endpoint = slot.endpoints[place];
    if (complain(!endpoint.enabled, "a report from an endpoint that is not there")) return;
    while (slot.device != nullptr && !slot.device->reports.empty() && !endpoint.halted) {
        std::uint64_t at = 0;
        const auto trb = next(endpoint.dequeue, endpoint.cycle, at);
        if (!trb) return;
        if (complain(trb->type() != TrbType::normal, "no normal TRB")) return;
        const UsbAnswer answer = slot.device->reports.front();
        slot.device->reports.pop_front();
        const std::uint32_t asked = trb->status & 0x1FFFF;
        const auto size =
            std::min<std::uint32_t>(static_cast<std::uint32_t>(answer.bytes.size()), asked);
        if (std::byte* const to = memory(trb->parameter, asked))
            std::copy_n(std::as_bytes(std::span(answer.bytes)).begin(), size, to);
        Completion completion = answer.completion.value_or(Completion::transaction_error);
        if (completion == Completion::success && size < asked)
            completion = Completion::short_packet;
        endpoint.halted =
            completion != Completion::success && completion != Completion::short_packet;
        transfer_event(number, place, at, completion, asked - size);
    }
}

void XhciModel::deliver() {
    for (std::uint8_t number = 1; number < 33; ++number) {
        for (std::uint8_t place = 2; place < 32; ++place) {
            if (slots_[number].endpoints[place].armed) run_reports(number, place);
        }
    }
}

} // namespace shim
