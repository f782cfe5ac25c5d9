// SPDX-License-Identifier: MIT
// A keyboard at work: reports, lights, and endpoints that have to be put right (xHCI 1.2, 4.6.8).
#include "lib/xhci/controller.hpp"

#include <algorithm>

namespace lib::xhci {
namespace {

/// So many reports in a row that fail, and the device is started afresh.
constexpr std::uint8_t error_limit = 5;

} // namespace

/// Does what there is to do for a keyboard that nothing else is under way for.
void Controller::work(Device& device) {
    device.step = Step::ready;
    if (device.reports_broken) {
        device.reports_broken = false;
        return recover(device, device.report_endpoint(), Step::ready);
    }
    if (device.report_trb == 0) ask_report(device);
    if (device.lights_shown != lights_) begin(device, Step::lights);
}

/// One at a time: a keyboard keeps what happens until it is asked again.
void Controller::ask_report(Device& device) {
    const DmaMemory buffer = device.memory.report();
    const auto bytes = std::min<std::uint32_t>(device.keyboard.packet_bytes,
                                               static_cast<std::uint32_t>(buffer.size));
    device.report_trb = device.reports.push(report_transfer(buffer.physical, bytes));
    window().ring_doorbell(device.slot, device.report_endpoint());
}

void Controller::take_report_event(Device& device, const Trb& event) {
    if (event.parameter != device.report_trb) return;
    device.report_trb = 0;
    const bool arrived =
        event.completion() == Completion::success || event.completion() == Completion::short_packet;
    if (!arrived) {
        if (++device.errors == error_limit) return fail(device, describe(event.completion()));
        device.reports_broken = true;
        if (device.step == Step::ready) work(device);
        return;
    }
    const auto asked =
        std::min<std::uint32_t>(device.keyboard.packet_bytes, DeviceMemory::report_bytes);
    const std::uint32_t bytes = asked - std::min(event.residue(), asked);
    device.errors = 0;
    if (device.good_reports < Device::reports_of_good_device) {
        ++device.good_reports;
    } else {
        ports_[device.port].attempts = 0;
    }
    device.keys.take_report(Bytes{device.memory.report().bytes, bytes}, now_, sink());
    ask_report(device);
}

/// Makes a halted endpoint go on at the end of its ring, then goes on with `resume`.
void Controller::recover(Device& device, std::uint8_t endpoint, Step resume) {
    device.recovering = endpoint;
    device.resume = resume;
    begin(device, Step::reset_endpoint);
}

} // namespace lib::xhci
