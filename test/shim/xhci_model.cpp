// SPDX-License-Identifier: MIT
// The model's registers, ports, events and memory (xHCI 1.2, ch. 5). Offsets are literal here, so
// that a wrong one in the driver shows.
#include "shim/xhci_model.hpp"

#include <cstring>
#include <new>

namespace shim {

using lib::xhci::DmaMemory;
using lib::xhci::Trb;
using lib::xhci::TrbType;
using lib::xhci::Weight;

namespace {

constexpr std::uint32_t operational = 0x20;
constexpr std::uint32_t runtime = 0x1000;
constexpr std::uint32_t doorbells = 0x2000;
constexpr std::uint32_t legacy = 0x500;
constexpr std::uint32_t changes = 0x00FE'0000;

std::uint64_t with_half(std::uint64_t old, bool high, std::uint32_t value) {
    return high ? (old & 0xFFFF'FFFF) | std::uint64_t{value} << 32 : (old >> 32 << 32) | value;
}

} // namespace

lib::xhci::Host XhciModel::host() {
    lib::xhci::Host host;
    host.context = this;
    host.window_bytes = window_bytes;
    host.read = [](void* self, std::uint32_t offset) {
        return static_cast<XhciModel*>(self)->read(offset);
    };
    host.write = [](void* self, std::uint32_t offset, std::uint32_t value) {
        static_cast<XhciModel*>(self)->write(offset, value);
    };
    host.allocate = [](void* self, std::size_t bytes, bool below_4_gib) {
        return static_cast<XhciModel*>(self)->allocate(bytes, below_4_gib);
    };
    host.release = [](void* self, DmaMemory memory) {
        auto& model = *static_cast<XhciModel*>(self);
        model.complain(model.blocks_.erase(memory.physical) != 1, "released what was not taken");
        model.memory_taken -= memory.size;
    };
    host.log = [](void* self, Weight weight, std::string_view line) {
        static_cast<XhciModel*>(self)->lines.push_back((weight == Weight::problem ? "!" : "") +
                                                       std::string(line));
    };
    host.key = [](void* self, lib::KeyEvent event) {
        static_cast<XhciModel*>(self)->keys.push_back(event);
    };
    return host;
}

bool XhciModel::complain(bool wrong, const char* what) {
    if (wrong) complaints.emplace_back(what);
    return wrong;
}

Result<DmaMemory> XhciModel::allocate(std::size_t bytes, bool below_4_gib) {
    complain(bytes < 4096 || (bytes & (bytes - 1)) != 0, "asked for an odd amount of memory");
    if (memory_taken + bytes > memory_limit) return Error::no_memory;
    std::uint64_t& place = below_4_gib ? next_low_ : next_physical_;
    place = (place + bytes - 1) / bytes * bytes;
    const std::uint64_t physical = place;
    place += bytes;
    auto* const raw = static_cast<std::byte*>(::operator new(bytes, std::align_val_t{4096}));
    std::memset(raw, 0, bytes);
    const auto drop = [](std::byte* old) { ::operator delete(old, std::align_val_t{4096}); };
    blocks_.emplace(physical, Block{{raw, drop}, bytes});
    memory_taken += bytes;
    return DmaMemory{raw, physical, bytes};
}

/// Null, and a complaint, where the driver owns nothing.
std::byte* XhciModel::memory(std::uint64_t physical, std::size_t bytes) {
    auto block = blocks_.upper_bound(physical);
    if (block == blocks_.begin()) return complain(true, "reached below all memory"), nullptr;
    --block;
    const std::uint64_t offset = physical - block->first;
    if (offset + bytes > block->second.size)
        return complain(true, "reached outside of the driver's memory"), nullptr;
    return block->second.bytes.get() + offset;
}

std::uint32_t XhciModel::word(std::uint64_t physical) {
    std::uint32_t value = 0;
    if (const std::byte* place = memory(physical, 4)) std::memcpy(&value, place, 4);
    return value;
}

std::uint64_t XhciModel::address(std::uint64_t physical) {
    return word(physical) | std::uint64_t{word(physical + 4)} << 32;
}

std::uint32_t XhciModel::read(std::uint32_t offset) {
    complain(offset % 4 != 0 || offset >= window_bytes, "read outside of the window");
    if (gone) return ~0U;
    if (const auto extra = extra_.find(offset); extra != extra_.end()) return extra->second;
    if (offset >= operational + 0x400 && offset < operational + 0x400 + 16 * ports)
        return offset % 16 == 0 ? ports_[(offset - operational - 0x400) / 16 + 1].status : 0;
    switch (offset) {
    case 0x00: return 0x0120'0000 | operational;
    case 0x04: return 32 | 1U << 8 | std::uint32_t{ports} << 24;
    case 0x08: return (scratch_pages & 31) << 27 | scratch_pages >> 5 << 21;
    case 0x10:
        return (reaches_all_memory ? 1U : 0) | (context_bytes == 64 ? 4U : 0) | 8U |
               ((has_legacy ? legacy : 0x520U) / 4) << 16;
    case 0x14: return doorbells;
    case 0x18: return runtime;
    case operational: return command_;
    case operational + 4: return status_ | (controller_error ? 1U << 12 : 0);
    case operational + 8: return 1;
    case legacy: return 0x0000'0801 | (firmware_owns ? 1U << 16 : 0) | legacy_;
    case legacy + 4: return legacy_control_;
    case 0x520: return 0x0200'0802;
    case 0x528: return 0x0000'0401;
    case 0x540: return 0x0300'0002;
    case 0x548: return 0x0000'0405;
    default: return 0;
    }
}

void XhciModel::write(std::uint32_t offset, std::uint32_t value) {
    complain(offset % 4 != 0 || offset >= window_bytes, "wrote outside of the window");
    if (gone) return;
    const bool running = (command_ & 1) != 0;
    const bool high = offset % 8 == 4;
    if (offset >= operational + 0x400 && offset < operational + 0x400 + 16 * ports)
        return write_port(static_cast<std::uint8_t>((offset - operational - 0x400) / 16 + 1),
                          value);
    if (offset >= doorbells && offset < doorbells + 4 * 33) {
        const auto slot = static_cast<std::uint8_t>((offset - doorbells) / 4);
        if (complain(!running, "a doorbell while halted")) return;
        if (slot == 0) return run_commands();
        if (complain(!slots_[slot].enabled, "the doorbell of a slot that is not enabled")) return;
        if (value == 1) return run_control(slot);
        slots_[slot].endpoints.at(value).armed = true;
        return run_reports(slot, static_cast<std::uint8_t>(value));
    }
    switch (offset) {
    case operational: return write_command(value);
    case operational + 4: status_ &= ~(value & 0x41C); break;
    case operational + 0x18:
    case operational + 0x1C:
        complain(running, "the command ring changed while running");
        command_ring_ = with_half(command_ring_, high, value);
        command_at_ = command_ring_ & ~63ULL;
        command_cycle_ = (command_ring_ & 1) != 0;
        break;
    case operational + 0x30:
    case operational + 0x34:
        complain(running, "the contexts changed while running");
        contexts_ = with_half(contexts_, high, value);
        break;
    case operational + 0x38: configured_slots_ = value & 0xFF; break;
    case legacy:
        legacy_ = value & (1U << 24);
        if ((legacy_ != 0 && firmware_lets_go) || (value & 1U << 16) == 0) firmware_owns = false;
        break;
    case legacy + 4: legacy_control_ = value & 0x1FFF'FFFF; break;
    case runtime + 0x20: management_ = (management_ & ~(value & 1)) | (value & 2); break;
    case runtime + 0x28: complain(value != 1, "a number of segments that is not there"); break;
    case runtime + 0x30:
    case runtime + 0x34:
        segment_table_ = with_half(segment_table_, high, value);
        event_index_ = 0;
        event_cycle_ = true;
        break;
    case runtime + 0x38:
    case runtime + 0x3C: dequeue_ = with_half(dequeue_, high, value); break;
    default: break;
    }
}

void XhciModel::write_command(std::uint32_t value) {
    if ((value & 2) != 0) {
        complain((status_ & 1) == 0, "reset while it ran");
        return reset();
    }
    command_ = value;
    const bool run = (value & 1) != 0;
    if (run) {
        complain(firmware_owns && has_legacy, "runs while the firmware owns it");
        complain(has_legacy && (legacy_control_ & 0xE011) != 0, "the firmware's interrupts are on");
        complain(contexts_ == 0 || segment_table_ == 0 || command_at_ == 0, "runs without memory");
        if (scratch_pages != 0) complain(address(contexts_) == 0, "no memory for its own");
    }
    if (run || !never_halts) status_ = run ? status_ & ~1U : status_ | 1U;
}

void XhciModel::reset() {
    ++controller_resets;
    command_ = reset_hangs ? 2 : 0;
    status_ = reset_hangs ? 0x801 : 1;
    controller_error = false;
    command_ring_ = contexts_ = segment_table_ = dequeue_ = 0;
    slots_ = {};
    for (std::uint8_t port = 1; port <= ports; ++port) {
        ports_[port].status = 0;
        if (UsbDevice* const device = ports_[port].device) plug(port, *device);
    }
}

void XhciModel::plug(std::uint8_t port, UsbDevice& device) {
    const std::uint32_t speed =
        port_speed_override != 0 ? port_speed_override : static_cast<std::uint32_t>(device.speed);
    ports_[port].device = &device;
    ports_[port].status = 1 | speed << 10 | 0x200;
    if (port > 4 && links_train) ports_[port].status |= 2; // the link trains by itself
    port_event(port, 1U << 17);
}

void XhciModel::unplug(std::uint8_t port) {
    for (Slot& slot : slots_) {
        if (slot.port == port) slot.device = nullptr;
    }
    ports_[port].device = nullptr;
    ports_[port].status &= changes | 0x200;
    port_event(port, 1U << 17);
}

void XhciModel::disable_port(std::uint8_t port) {
    ports_[port].status &= ~2U;
    port_event(port, 1U << 18);
}

void XhciModel::write_port(std::uint8_t port, std::uint32_t value) {
    std::uint32_t& status = ports_[port].status;
    status &= ~(value & changes);
    status = (status & ~0x200U) | (value & 0x200);
    complain((value & 0x200) == 0, "switched a port's power off");
    if ((value & 2) != 0) status &= ~2U;
    if ((value & 0x8000'0010) == 0 || ports_[port].device == nullptr) return;
    ++resets[port];
    if (port > 4 && !links_train && (value & 1U << 31) == 0) return;
    complain((value & 1U << 31) != 0 && port <= 4, "a warm reset of a USB 2 port");
    status |= 2;
    port_event(port, 1U << 21);
}

/// The change, and an event unless one was not acknowledged yet.
void XhciModel::port_event(std::uint8_t port, std::uint32_t change) {
    const bool told = (ports_[port].status & change) != 0;
    ports_[port].status |= change;
    if (!told && (command_ & 1) != 0)
        post({std::uint64_t{port} << 24, 1U << 24, lib::xhci::trb_type(TrbType::port_event)});
}

void XhciModel::post(Trb event) {
    if (segment_table_ == 0) return; // the firmware's, long gone
    const std::uint64_t base = address(segment_table_);
    const std::uint64_t count = word(segment_table_ + 8) & 0xFFFF;
    const std::uint64_t place = base + event_index_ * 16;
    const std::uint64_t after = base + (event_index_ + 1) % count * 16;
    if (complain(after == (dequeue_ & ~15ULL), "the event ring is full")) return;
    std::byte* const to = memory(place, 16);
    if (to == nullptr) return;
    event.control = (event.control & ~1U) | (event_cycle_ ? 1U : 0);
    std::memcpy(to, &event, 16);
    if (++event_index_ == count) {
        event_index_ = 0;
        event_cycle_ = !event_cycle_;
    }
    status_ |= 8;
    management_ |= 1;
}

bool XhciModel::interrupting() const {
    return (command_ & 5) == 5 && (management_ & 3) == 3 && !gone;
}

unsigned XhciModel::slots_in_use() const {
    unsigned count = 0;
    for (const Slot& slot : slots_) count += slot.enabled;
    return count;
}

} // namespace shim
