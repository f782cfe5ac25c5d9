// SPDX-License-Identifier: MIT
// Taking a controller into use (xHCI 1.2, 4.2 and 4.22.1).
#include "lib/xhci/controller.hpp"

#include <algorithm>

namespace lib::xhci {
namespace {

constexpr Nanoseconds firmware_patience = 1000 * milliseconds;
constexpr Nanoseconds halt_patience = 100 * milliseconds;
constexpr Nanoseconds reset_patience = 1000 * milliseconds;
/// Also what a controller may need after a reset before it can be read.
constexpr Nanoseconds phase_interval = milliseconds;
constexpr std::uint8_t restart_limit = 5;

constexpr std::uint32_t page_bytes_minimum = 4096;
constexpr std::uint32_t page_bytes_maximum = 65536;
constexpr std::uint32_t moderation = 1000; // 250 µs, in units of 250 ns, between interrupts

// Parts of base_.
constexpr std::size_t base_bytes = 8192;
constexpr std::size_t command_ring_offset = 2048;
constexpr std::size_t command_ring_bytes = 1024;
constexpr std::size_t segment_table_offset = 3072;
constexpr std::size_t event_ring_offset = 4096;
constexpr std::size_t event_ring_bytes = 4096;

std::size_t power_of_two_from(std::size_t bytes) {
    std::size_t size = page_bytes_minimum;
    while (size < bytes) size *= 2;
    return size;
}

} // namespace

void Controller::start(Nanoseconds now) {
    now_ = now;
    const Result<Window> window = Window::open(host_);
    if (!window) return die("its registers make no sense");
    window_ = *window;
    find_usb3_ports();
    take_over();
    service(now);
}

/// The protocol of each port stands in lists of ports (7.2).
void Controller::find_usb3_ports() {
    std::uint32_t at = 0;
    while ((at = window().find_extended(extended_protocol, at)) != 0) {
        const std::uint32_t major = window().read(at) >> 24;
        const std::uint32_t range = window().read(at + 8);
        const std::uint32_t first = range & 0xFF;
        const std::uint32_t end = std::min(first + (range >> 8 & 0xFF), 256U);
        for (std::uint32_t port = first; major >= 3 && port < end; ++port) ports_[port].usb3 = true;
    }
}

void Controller::enter(Phase phase, Nanoseconds patience) {
    phase_ = phase;
    patience_ = now_ + patience;
}

void Controller::take_over() {
    legacy_ = window().find_extended(extended_legacy);
    if (legacy_ == 0) return halt();
    window().write(legacy_, window().read(legacy_) | legacy_system_owns);
    enter(Phase::taking_over, firmware_patience);
}

/// From here on the firmware has no part in it, whether it agreed or not.
void Controller::leave_firmware() {
    const std::uint32_t owner = window().read(legacy_);
    if ((owner & legacy_firmware_owns) != 0) {
        log(Weight::problem, "the firmware does not let go; taken from it");
        window().write(legacy_, (owner & ~legacy_firmware_owns) | legacy_system_owns);
    }
    const std::uint32_t control = window().read(legacy_ + legacy_control);
    window().write(legacy_ + legacy_control,
                   (control & ~legacy_control_enables) | legacy_control_causes);
}

void Controller::halt() {
    const std::uint32_t command = window().read_operational(op_command);
    window().write_operational(op_command, command & ~(command_run | command_interrupts));
    enter(Phase::halting, halt_patience);
}

/// Whether the phase before `running` came to its end, and another began.
bool Controller::advance() {
    const std::uint32_t status = window().read_operational(op_status);
    const bool late = now_ >= patience_;
    switch (phase_) {
    case Phase::taking_over:
        if ((window().read(legacy_) & legacy_firmware_owns) != 0 && !late) return false;
        leave_firmware();
        halt();
        return true;
    case Phase::halting:
        if ((status & status_halted) == 0) {
            if (late) die("it does not halt");
            return false;
        }
        window().write_operational(op_command, command_reset);
        enter(Phase::resetting, reset_patience);
        return false; // not looked at before the next time
    case Phase::resetting:
        if ((window().read_operational(op_command) & command_reset) != 0 ||
            (status & status_not_ready) != 0) {
            if (late) die("it does not come out of reset");
            return false;
        }
        set_up();
        return true;
    case Phase::off:
    case Phase::running:
    case Phase::dead: break;
    }
    return false;
}

void Controller::set_up() {
    if (const auto allocated = allocate(); !allocated) {
        release();
        return die(allocated.error() == Error::no_memory ? "out of memory"
                                                         : "it wants memory pages of no size");
    }
    program();
    phase_ = Phase::running;
    for (std::uint32_t port = 1; port <= window().ports(); ++port) {
        const auto number = static_cast<std::uint8_t>(port);
        const std::uint32_t status = window().read_port(number);
        if (window().switches_port_power() && (status & port_power) == 0)
            window().write_port(number, (status & port_kept) | port_power);
        check_port(number);
    }
}

/// Takes what is not there yet: after a restart it is.
Result<void> Controller::allocate() {
    const bool below_4_gib = !window().reaches_all_memory();
    if (base_.bytes == nullptr) base_ = TRY(host_.allocate(host_.context, base_bytes, below_4_gib));
    std::uint32_t page_bytes = page_bytes_minimum;
    const std::uint32_t sizes = window().read_operational(op_page_size) & 0xFFFF;
    while (page_bytes <= page_bytes_maximum && (sizes & page_bytes >> 12) == 0) page_bytes *= 2;
    if (page_bytes > page_bytes_maximum) return Error::bad_format;
    if (window().scratch_pages() != 0 && scratch_.bytes == nullptr)
        TRY(allocate_scratch(page_bytes));
    return {};
}

Result<void> Controller::allocate_scratch(std::uint32_t page_bytes) {
    const bool below_4_gib = !window().reaches_all_memory();
    const std::size_t pages = window().scratch_pages();
    if (scratch_index_.bytes == nullptr)
        scratch_index_ =
            TRY(host_.allocate(host_.context, power_of_two_from(pages * 8), below_4_gib));
    scratch_ =
        TRY(host_.allocate(host_.context, power_of_two_from(pages * page_bytes), below_4_gib));
    auto* const index = reinterpret_cast<std::uint64_t*>(scratch_index_.bytes);
    for (std::size_t i = 0; i < pages; ++i) index[i] = scratch_.physical + i * page_bytes;
    return {};
}

void Controller::release() {
    for (DmaMemory* const memory : {&base_, &scratch_index_, &scratch_}) {
        if (memory->bytes != nullptr) host_.release(host_.context, *memory);
        *memory = {};
    }
}

/// Tells the controller its memory, and lets it run.
void Controller::program() {
    std::fill_n(base_.bytes, base_.size, std::byte{0});
    auto* const contexts = reinterpret_cast<std::uint64_t*>(base_.bytes);
    contexts[0] = scratch_index_.physical;
    commands_.start({base_.bytes + command_ring_offset, base_.physical + command_ring_offset,
                     command_ring_bytes});
    events_.start(
        {base_.bytes + event_ring_offset, base_.physical + event_ring_offset, event_ring_bytes});
    auto* const segment = reinterpret_cast<std::uint64_t*>(base_.bytes + segment_table_offset);
    segment[0] = base_.physical + event_ring_offset;
    segment[1] = events_.capacity();

    const Window& to = window();
    to.write_operational(op_configure, std::min<std::uint32_t>(to.slots(), device_limit));
    to.write_operational_address(op_contexts, base_.physical);
    to.write_operational_address(op_command_ring, commands_.position());
    to.write_runtime(runtime_segments, 1);
    to.write_runtime_address(runtime_dequeue, events_.position());
    to.write_runtime_address(runtime_segment_table, base_.physical + segment_table_offset);
    to.write_runtime(runtime_moderation, moderation);
    to.write_runtime(runtime_management, management_enable | management_pending);
    to.write_operational(op_command, command_run | command_interrupts);
}

void Controller::forget_devices() {
    for (Device& device : devices_) {
        device.keys.release_all(sink());
        device.clear();
    }
    for (Port& port : ports_)
        port = {.state = PortState::empty, .usb3 = port.usb3, .banned = port.banned};
    commanding_ = nullptr;
    command_until_ = never;
    more_events_ = false;
}

/// Everything from the reset on again, memory kept.
void Controller::restart(std::string_view why) {
    if (restarts_++ == restart_limit) return die(why);
    log(Weight::problem, "{}; started again", why);
    forget_devices();
    halt();
}

void Controller::die(std::string_view why) {
    log(Weight::problem, "{}; not used", why);
    // If it runs still, it may no longer write to memory; what it has stays taken.
    if (window_) window().write_operational(op_command, 0);
    forget_devices();
    phase_ = Phase::dead;
}

std::size_t Controller::keyboards() const {
    return static_cast<std::size_t>(
        std::count_if(devices_.begin(), devices_.end(), [](const Device& device) {
            return device.step >= Step::ready && device.step < Step::leaving;
        }));
}

void Controller::service(Nanoseconds now) {
    now_ = now;
    while (phase_ != Phase::running && phase_ != Phase::dead && advance()) {
    }
    if (phase_ == Phase::running) run();
    switch (phase_) {
    case Phase::off:
    case Phase::dead: due_ = never; break;
    case Phase::running: due_ = next_due(); break;
    case Phase::taking_over:
    case Phase::halting:
    case Phase::resetting: due_ = now_ + phase_interval; break;
    }
}

} // namespace lib::xhci
