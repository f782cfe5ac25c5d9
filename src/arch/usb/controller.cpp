// SPDX-License-Identifier: MIT
// Registers through a device window, memory by frames, keys to the console's keyboard.
#include "arch/usb/controller.hpp"

#include "arch/boot/boot_information.hpp"
#include "arch/keyboard.hpp"
#include "arch/layout.hpp"
#include "arch/log.hpp"
#include "arch/memory/device_window.hpp"
#include "arch/pci/pci.hpp"
#include "proc/port.hpp"
#include "vm/frames.hpp"

#include <algorithm>

namespace arch::usb {
namespace {

using lib::xhci::DmaMemory;
using lib::xhci::Weight;

/// More registers than any controller has.
constexpr std::uint64_t window_limit = 1ULL << 20;
/// A function that slept needs so long before its registers answer (PCI Power Management 1.2, 5.4).
constexpr std::uint64_t wake_time = 10 * lib::xhci::milliseconds;
constexpr std::uint64_t poll_interval = 8 * lib::xhci::milliseconds;

unsigned order_of(std::size_t bytes) {
    unsigned order = 0;
    while (order < vm::order_limit && page_size << order < bytes) ++order;
    return order;
}

Result<DmaMemory> allocate(void*, std::size_t bytes, bool below_4_gib) {
    const unsigned order = order_of(bytes);
    if (order >= vm::order_limit) return Error::no_memory;
    const PhysAddr start = TRY(vm::allocate_frames(vm::FrameKind::kernel, order));
    if (below_4_gib && (start + bytes).value > 1ULL << 32) {
        vm::free_frames(start, order);
        return Error::no_memory;
    }
    auto* const memory = static_cast<std::byte*>(layout::direct(start));
    std::fill_n(memory, bytes, std::byte{0});
    return DmaMemory{memory, start.value, bytes};
}

void release(void*, DmaMemory memory) { vm::free_frames({memory.physical}, order_of(memory.size)); }

void add_key(void*, lib::KeyEvent event) { keyboard::add_event(event); }

} // namespace

lib::xhci::Host Controller::host() {
    lib::xhci::Host host;
    host.context = this;
    host.window_bytes = window_bytes_;
    host.read = [](void* self, std::uint32_t offset) -> std::uint32_t {
        return static_cast<Controller*>(self)->registers_[offset / 4];
    };
    host.write = [](void* self, std::uint32_t offset, std::uint32_t value) {
        static_cast<Controller*>(self)->registers_[offset / 4] = value;
    };
    host.allocate = allocate;
    host.release = release;
    host.key = add_key;
    host.log = [](void* self, Weight weight, std::string_view line) {
        // Lines in the middle of somebody's session: only those that matter.
        if (weight == Weight::detail && !has_boot_word("verbose")) return;
        const lib::pci::Function& place = static_cast<Controller*>(self)->function_;
        log("usb {:02x}:{:02x}.{}: {}", place.bus, place.device, place.function, line);
    };
    return host;
}

Result<void> Controller::start(unsigned vector) {
    const lib::pci::ConfigSpace& space = pci::space();
    const auto bar = TRY(lib::pci::read_memory_bar(space, function_, 0));
    window_bytes_ = static_cast<std::uint32_t>(std::min(bar.bytes, window_limit));
    registers_ = static_cast<volatile std::uint32_t*>(TRY(map_device(bar.address, window_bytes_)));
    const bool slept = lib::pci::enable(space, function_);
    if (const auto connected = pci::connect_message(function_, vector); !connected) {
        log("usb {:02x}:{:02x}.{}: no interrupts ({}); looked at every {} ms", function_.bus,
            function_.device, function_.function, connected.error(),
            poll_interval / lib::xhci::milliseconds);
        polled_ = true;
    }
    driver_.emplace(host());
    start_at_ = slept ? proc::port::now() + wake_time : 0;
    return {};
}

void Controller::service(std::uint8_t lights) {
    const std::uint64_t now = proc::port::now();
    if (now < start_at_) return;
    last_service_ = now;
    driver_->set_lights(lights);
    if (!started_) {
        started_ = true;
        driver_->start(now);
    } else {
        driver_->service(now);
    }
}

std::uint64_t Controller::due() const {
    if (!started_) return start_at_;
    const std::uint64_t due = driver_->due();
    if (!polled_ || driver_->dead()) return due;
    return std::min(due, last_service_ + poll_interval);
}

} // namespace arch::usb
