// SPDX-License-Identifier: MIT
// A running controller: events to whom they concern, one command at a time, and time limits.
#include "lib/xhci/controller.hpp"

#include <algorithm>
#include <utility>

namespace lib::xhci {
namespace {

/// A device that takes its time in SET_ADDRESS is the controller's affair, within seconds.
constexpr Nanoseconds command_patience = 5000 * milliseconds;

} // namespace

void Controller::run() {
    const std::uint32_t status = window().read_operational(op_status);
    if (status == ~0U) return die("it is gone");
    if ((status & (status_system_error | status_controller_error)) != 0)
        return restart("it reports an error of its own");
    // First these, then the events: one that comes meanwhile interrupts again.
    window().write_operational(op_status, status_event);
    window().write_runtime(runtime_management, management_enable | management_pending);
    take_events();
    if (phase_ == Phase::running) check_times();
    if (phase_ == Phase::running) issue_command();
}

void Controller::take_events() {
    more_events_ = true;
    for (std::size_t taken = 0; taken < events_.capacity() / 2; ++taken) {
        const std::optional<Trb> event = events_.pop();
        if (!event) {
            more_events_ = false;
            break;
        }
        switch (event->type()) {
        case TrbType::port_event:
            if (event->port() != 0 && event->port() <= window().ports()) check_port(event->port());
            break;
        case TrbType::command_event: take_command_event(*event); break;
        case TrbType::transfer_event: take_transfer_event(*event); break;
        default: break; // nothing that was asked for
        }
        if (phase_ != Phase::running) return;
    }
    window().write_runtime_address(runtime_dequeue, events_.position() | dequeue_busy);
}

void Controller::take_command_event(const Trb& event) {
    if (commanding_ == nullptr || event.parameter != command_trb_) return;
    Device& device = *std::exchange(commanding_, nullptr);
    command_until_ = never;
    if (device.step == Step::enable_slot && event.completion() == Completion::success) {
        const std::uint8_t slot = event.slot();
        const bool taken = std::any_of(devices_.begin(), devices_.end(),
                                       [slot](const Device& other) { return other.slot == slot; });
        if (slot == 0 || slot > window().slots() || taken)
            return restart("it gave out a slot that it does not have");
        device.slot = slot;
    }
    finish(device, event.completion());
}

void Controller::take_transfer_event(const Trb& event) {
    for (Device& device : devices_) {
        if (device.slot == 0 || device.slot != event.slot() || device.step == Step::leaving)
            continue;
        if (event.endpoint() == control_endpoint) {
            take_control_event(device, event);
        } else if (device.report_trb != 0 && event.endpoint() == device.report_endpoint()) {
            take_report_event(device, event);
        }
        return;
    }
}

void Controller::check_times() {
    if (commanding_ != nullptr && now_ >= command_until_) {
        // Whose device this is, the controller hangs on it.
        if (commanding_->port != 0) {
            log(Weight::problem, "port {}: switched off: the controller hangs at it ({})",
                commanding_->port, commanding_->step);
            ports_[commanding_->port].banned = true;
        }
        return restart("it does not answer a command");
    }
    for (std::uint32_t port = 1; port <= window().ports(); ++port) {
        if (now_ >= ports_[port].until) check_port(static_cast<std::uint8_t>(port));
    }
    for (Device& device : devices_) {
        device.keys.repeat(now_, sink());
        if (device.step == Step::ready) work(device);
        if (now_ < device.until) continue;
        device.until = never;
        if (device.step == Step::address_pause) {
            begin(device, Step::device_start);
        } else {
            fail(device, "no answer");
        }
    }
}

void Controller::submit(Device& device, const Trb& command) {
    device.command = command;
    device.command_waits = true;
    device.until = never;
}

/// Sends the next command that waits, in turns.
void Controller::issue_command() {
    if (commanding_ != nullptr) return;
    for (std::size_t i = 1; i <= devices_.size(); ++i) {
        const std::size_t next = (last_commanding_ + i) % devices_.size();
        Device& device = devices_[next];
        if (!device.command_waits) continue;
        device.command_waits = false;
        last_commanding_ = next;
        commanding_ = &device;
        command_trb_ = commands_.push(device.command);
        command_until_ = now_ + command_patience;
        window().ring_doorbell(0, 0);
        return;
    }
}

Nanoseconds Controller::next_due() const {
    if (more_events_) return now_;
    Nanoseconds due = command_until_;
    for (std::uint32_t port = 1; port <= window().ports(); ++port)
        due = std::min(due, ports_[port].until);
    for (const Device& device : devices_)
        due = std::min({due, device.until, device.keys.repeat_at()});
    return due;
}

} // namespace lib::xhci
