// SPDX-License-Identifier: MIT
// A device's way from an enabled port to a keyboard: one step after the other.
#include "lib/xhci/device.hpp"

#include "lib/xhci/controller.hpp"

#include <algorithm>

namespace lib::xhci {
namespace {

/// A device need not answer earlier under its new address (USB 2.0, 9.2.6.3, generously).
constexpr Nanoseconds address_time = 10 * milliseconds;
constexpr Nanoseconds transfer_patience = 2000 * milliseconds;

Bytes received(const Device& device) {
    return Bytes{device.memory.data().bytes, DeviceMemory::data_bytes}.first(device.transferred);
}

/// Requests that a device may refuse and still be a keyboard.
bool may_stall(Step step) {
    return step == Step::boot_protocol || step == Step::idle_rate || step == Step::lights;
}

Step step_after(Step step) { return step == Step::boot_protocol ? Step::idle_rate : Step::ready; }

} // namespace

std::string_view describe(Step step) {
    switch (step) {
    case Step::free: return "nothing";
    case Step::enable_slot: return "enabling a slot";
    case Step::address_device:
    case Step::address_pause: return "setting the address";
    case Step::device_start:
    case Step::device_descriptor: return "device descriptor";
    case Step::packet_size: return "setting the packet size";
    case Step::configuration_header:
    case Step::configuration: return "configuration descriptor";
    case Step::add_endpoint: return "adding the endpoint";
    case Step::select_configuration: return "setting the configuration";
    case Step::boot_protocol: return "setting the boot protocol";
    case Step::idle_rate: return "setting the idle rate";
    case Step::ready: return "reports";
    case Step::lights: return "setting the lights";
    case Step::reset_endpoint:
    case Step::move_ring:
    case Step::clear_halt: return "recovering an endpoint";
    case Step::leaving: return "disabling the slot";
    }
    return "unknown";
}

void Controller::begin(Device& device, Step step) {
    device.step = step;
    const std::uint64_t input = device.memory.input().physical;
    switch (step) {
    case Step::enable_slot: return submit(device, slot_command(TrbType::enable_slot, 0));
    case Step::address_device: return begin_address(device);
    case Step::address_pause: device.until = now_ + address_time; return;
    case Step::device_start:
        return transfer(device, usb::get_descriptor(usb::descriptor_device,
                                                    usb::device_descriptor_start_bytes));
    case Step::packet_size: {
        InputContext context(device.memory.input(), window().context_bytes());
        context.set_control_endpoint(device.packet_bytes, device.control.position());
        return submit(device, slot_command(TrbType::evaluate_context, device.slot, input));
    }
    case Step::device_descriptor:
        return transfer(device,
                        usb::get_descriptor(usb::descriptor_device, usb::device_descriptor_bytes));
    case Step::configuration_header:
        return transfer(device, usb::get_descriptor(usb::descriptor_configuration,
                                                    usb::configuration_header_bytes));
    case Step::configuration:
        return transfer(
            device, usb::get_descriptor(usb::descriptor_configuration, device.configuration_bytes));
    case Step::add_endpoint: {
        InputContext context(device.memory.input(), window().context_bytes());
        const std::uint8_t endpoint = device.report_endpoint();
        device.reports.start(device.memory.report_ring());
        context.set_slot(device.speed, device.port, endpoint);
        context.set_interrupt_endpoint(endpoint, device.speed, device.keyboard.packet_bytes,
                                       device.keyboard.interval, device.reports.position());
        return submit(device, slot_command(TrbType::configure_endpoint, device.slot, input));
    }
    case Step::select_configuration:
        return transfer(device, usb::set_configuration(device.keyboard.configuration));
    case Step::boot_protocol:
        return transfer(device, usb::set_boot_protocol(device.keyboard.interface));
    case Step::idle_rate:
        return transfer(device, usb::set_idle_for_ever(device.keyboard.interface));
    case Step::ready: return work(device);
    case Step::lights:
        device.lights_shown = lights_;
        device.memory.data().bytes[0] = std::byte{lights_};
        return transfer(device, usb::set_lights(device.keyboard.interface));
    case Step::reset_endpoint:
        return submit(device,
                      endpoint_command(TrbType::reset_endpoint, device.slot, device.recovering));
    case Step::move_ring: {
        const ProducerRing& ring =
            device.recovering == control_endpoint ? device.control : device.reports;
        return submit(device, endpoint_command(TrbType::set_dequeue, device.slot, device.recovering,
                                               ring.position()));
    }
    case Step::clear_halt:
        return transfer(device, usb::clear_endpoint_halt(device.keyboard.endpoint));
    case Step::leaving: return submit(device, slot_command(TrbType::disable_slot, device.slot));
    case Step::free: return;
    }
}

void Controller::begin_address(Device& device) {
    std::fill_n(device.memory.context().bytes, device_context_bytes, std::byte{0});
    device.control.start(device.memory.control_ring());
    device.packet_bytes = first_packet_bytes(device.speed);
    InputContext context(device.memory.input(), window().context_bytes());
    context.set_slot(device.speed, device.port, control_endpoint);
    context.set_control_endpoint(device.packet_bytes, device.control.position());
    reinterpret_cast<std::uint64_t*>(base_.bytes)[device.slot] = device.memory.context().physical;
    submit(device,
           slot_command(TrbType::address_device, device.slot, device.memory.input().physical));
}

/// Precondition: no other is under way. `setup.length` fits into the device's memory for data.
void Controller::transfer(Device& device, const usb::Setup& setup) {
    device.setup = setup;
    device.transferred = setup.length;
    device.setup_trb = device.control.push(setup_stage(setup));
    device.data_trb = setup.length == 0
                          ? 0
                          : device.control.push(data_stage(setup, device.memory.data().physical));
    device.status_trb = device.control.push(status_stage(setup));
    device.until = now_ + transfer_patience;
    window().ring_doorbell(device.slot, control_endpoint);
}

void Controller::take_control_event(Device& device, const Trb& event) {
    if (device.status_trb == 0) return; // late: nobody waits for it
    const std::uint64_t at = event.parameter;
    if (at != device.setup_trb && at != device.data_trb && at != device.status_trb) return;
    if (event.completion() == Completion::short_packet && at == device.data_trb) {
        // The status stage still comes.
        device.transferred -= std::min<std::uint32_t>(event.residue(), device.setup.length);
        return;
    }
    if (event.completion() == Completion::success && at != device.status_trb) return;
    device.status_trb = 0;
    device.until = never;
    finish(device, event.completion());
}

/// A command or control transfer came to its end.
void Controller::finish(Device& device, Completion completion) {
    if (device.step == Step::leaving) {
        // Whatever the answer, the slot is not used any more.
        reinterpret_cast<std::uint64_t*>(base_.bytes)[device.slot] = 0;
        return device.clear();
    }
    if (device.abandoned) {
        device.abandoned = false;
        return leave(device);
    }
    if (completion == Completion::success) return succeed(device);
    if (completion == Completion::stall && may_stall(device.step))
        return recover(device, control_endpoint, step_after(device.step));
    fail(device, describe(completion));
}

void Controller::succeed(Device& device) {
    switch (device.step) {
    case Step::enable_slot: return begin(device, Step::address_device);
    case Step::address_device: return begin(device, Step::address_pause);
    case Step::device_start: return read_device_start(device);
    case Step::packet_size: return begin(device, Step::device_descriptor);
    case Step::device_descriptor: return read_device(device);
    case Step::configuration_header: {
        const auto bytes = usb::read_configuration_bytes(received(device));
        if (!bytes) return fail(device, "not a configuration descriptor");
        // What does not fit is not looked at: keyboards have a tenth of it.
        device.configuration_bytes =
            std::min<std::uint16_t>(*bytes, std::uint16_t{DeviceMemory::data_bytes});
        return begin(device, Step::configuration);
    }
    case Step::configuration: return read_configuration(device);
    case Step::add_endpoint: return begin(device, Step::select_configuration);
    case Step::select_configuration: return begin(device, Step::boot_protocol);
    case Step::boot_protocol: return begin(device, Step::idle_rate);
    case Step::idle_rate:
        log(Weight::detail, "port {}: keyboard {:04x}:{:04x}", device.port, device.vendor,
            device.product);
        return begin(device, Step::ready);
    case Step::lights: return begin(device, Step::ready);
    case Step::reset_endpoint: return begin(device, Step::move_ring);
    case Step::move_ring:
        return begin(device,
                     device.recovering == control_endpoint ? device.resume : Step::clear_halt);
    case Step::clear_halt: return begin(device, device.resume);
    case Step::address_pause:
    case Step::ready:
    case Step::leaving:
    case Step::free: return; // nothing was under way
    }
}

void Controller::read_device_start(Device& device) {
    const bool super = device.speed >= Speed::super;
    const auto packet_bytes = usb::read_control_packet_bytes(received(device), super);
    if (!packet_bytes) return fail(device, "a packet size that there is not");
    const bool same = *packet_bytes == device.packet_bytes;
    device.packet_bytes = *packet_bytes;
    begin(device, same ? Step::device_descriptor : Step::packet_size);
}

void Controller::read_device(Device& device) {
    const auto descriptor = usb::read_device_descriptor(received(device));
    if (!descriptor) return fail(device, "not a device descriptor");
    device.vendor = descriptor->vendor;
    device.product = descriptor->product;
    if (descriptor->device_class == usb::class_hub) {
        log(Weight::problem, "port {}: hub, not supported", device.port);
        refuse_port(device.port);
        return leave(device);
    }
    begin(device, Step::configuration_header);
}

void Controller::read_configuration(Device& device) {
    const auto keyboard = usb::find_keyboard(received(device));
    if (!keyboard && keyboard.error() != Error::not_found)
        return fail(device, "not a configuration descriptor");
    if (!keyboard) {
        log(Weight::detail, "port {}: {:04x}:{:04x} is no keyboard", device.port, device.vendor,
            device.product);
        refuse_port(device.port);
        return leave(device);
    }
    device.keyboard = *keyboard;
    begin(device, Step::add_endpoint);
}

/// It did not work out: once more, if it is still there.
void Controller::fail(Device& device, std::string_view why) {
    const std::uint8_t port = device.port;
    const Step step = device.step;
    leave(device);
    if (port != 0 && (window().read_port(port) & port_connected) != 0)
        retry_port(port, describe(step), why);
}

/// Lets go of a device; its memory is its own until the controller has done so too.
void Controller::leave(Device& device) {
    device.keys.release_all(sink());
    device.port = 0;
    device.until = never;
    device.status_trb = device.report_trb = 0;
    if (device.step == Step::leaving) return;
    if (commanding_ == &device) {
        device.abandoned = true;
        return;
    }
    device.command_waits = false;
    if (device.slot == 0) return device.clear();
    begin(device, Step::leaving);
}

} // namespace lib::xhci
