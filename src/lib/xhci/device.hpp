// SPDX-License-Identifier: MIT
// What the driver keeps of one device: where it is on its way from a reset port to a keyboard that
// reports, and what is under way for it.
#pragma once

#include "lib/usb/boot_keyboard.hpp"
#include "lib/usb/descriptors.hpp"
#include "lib/xhci/contexts.hpp"
#include "lib/xhci/rings.hpp"

namespace lib::xhci {

/// Steps in their order; each but the pauses is one command or one control transfer.
enum class Step : std::uint8_t {
    free, ///< there is no device
    enable_slot,
    address_device,
    address_pause,
    device_start, ///< the first 8 bytes of the device descriptor
    packet_size,
    device_descriptor,
    configuration_header,
    configuration,
    add_endpoint,
    select_configuration,
    boot_protocol,
    idle_rate,
    ready, ///< a keyboard that reports
    lights,
    // After an error on an endpoint:
    reset_endpoint,
    move_ring,
    clear_halt,
    leaving, ///< gone or given up: its slot is being disabled
};

std::string_view describe(Step step);

/// Parts of a device's memory. No part crosses a page.
///
///   0     device context        4096  input context
///   2048  ring of endpoint 0    7168  data
///   3072  ring of reports
///   3584  a report
struct DeviceMemory {
    static constexpr std::size_t bytes = 8192;
    static constexpr std::size_t data_bytes = 1024;
    static constexpr std::size_t report_bytes = 64;

    DmaMemory all;

    DmaMemory context() const { return part(0, device_context_bytes); }
    DmaMemory control_ring() const { return part(2048, 1024); }
    DmaMemory report_ring() const { return part(3072, 512); }
    DmaMemory report() const { return part(3584, report_bytes); }
    DmaMemory input() const { return part(4096, input_context_bytes); }
    DmaMemory data() const { return part(7168, data_bytes); }

private:
    DmaMemory part(std::size_t offset, std::size_t size) const {
        return {all.bytes + offset, all.physical + offset, size};
    }
};

struct Device {
    Step step = Step::free;
    Step resume = Step::free; ///< after an endpoint was put right
    Speed speed{};
    std::uint8_t port = 0; ///< 0: no longer there
    std::uint8_t slot = 0;
    std::uint8_t errors = 0;       ///< of reports, since the last good one
    std::uint8_t good_reports = 0; ///< since the device began, up to reports_of_good_device
    std::uint8_t lights_shown = 0; ///< light_unknown: not told yet
    std::uint8_t recovering = 0;   ///< the endpoint that is being put right
    bool reports_broken = false;   ///< the endpoint of reports waits to be put right
    bool abandoned = false;        ///< it left while a command was under way

    usb::KeyboardInterface keyboard;
    std::uint16_t packet_bytes = 0;
    std::uint16_t configuration_bytes = 0;
    std::uint16_t vendor = 0;
    std::uint16_t product = 0;

    bool command_waits = false;
    Trb command;
    usb::Setup setup; ///< of the control transfer under way, and the addresses of its TRBs
    std::uint64_t setup_trb = 0;
    std::uint64_t data_trb = 0;
    std::uint64_t status_trb = 0; ///< 0: no transfer is under way
    std::uint32_t transferred = 0;
    std::uint64_t report_trb = 0; ///< 0: no report is asked for
    Nanoseconds until = never;    ///< of a pause or a control transfer

    DeviceMemory memory;
    ProducerRing control;
    ProducerRing reports;
    usb::BootKeyboard keys;

    static constexpr std::uint8_t light_unknown = 0xFF;
    /// So many good ones, and earlier attempts at the port no longer count.
    static constexpr std::uint8_t reports_of_good_device = 100;

    /// The endpoint of reports, by its place in the device context.
    std::uint8_t report_endpoint() const {
        return static_cast<std::uint8_t>(2 * keyboard.endpoint + 1);
    }
    /// Everything but the memory, which is kept for the next device.
    void clear() {
        const DeviceMemory kept = memory;
        *this = {};
        memory = kept;
    }
};

} // namespace lib::xhci
