// SPDX-License-Identifier: MIT
// All controllers: one vector, one alarm. Everything runs on the boot CPU with interrupts off.
#include "arch/usb/usb.hpp"

#include "arch/keyboard.hpp"
#include "arch/log.hpp"
#include "arch/pci/pci.hpp"
#include "arch/time/clock.hpp"
#include "arch/trap/interrupts.hpp"
#include "arch/usb/controller.hpp"
#include "proc/port.hpp"
#include "vm/heap.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace arch::usb {
namespace {

constexpr std::uint32_t class_xhci = 0x0c'03'30;

constinit std::array<Controller*, 16> controllers{};
constinit std::size_t controller_count = 0;

/// Gives each its turn: which one has something to say is quickly seen.
void service() {
    std::uint64_t due = ~0ULL;
    for (std::size_t i = 0; i < controller_count; ++i) controllers[i]->service(keyboard::lights());
    for (std::size_t i = 0; i < controller_count; ++i) due = std::min(due, controllers[i]->due());
    set_device_alarm(due);
}

/// A key changed the lights: sent soon, not from within the keyboard's own handler.
void hurry() { set_device_alarm(0); }

/// Where there is no other keyboard: devices that are connected already are waited for, so that no
/// key is lost at the first prompt. Nothing connected, no wait.
void wait_for_devices() {
    constexpr std::uint64_t patience = 1'000'000'000;
    const std::uint64_t limit = proc::port::now() + patience;
    const auto busy = [] {
        return std::any_of(controllers.begin(), controllers.begin() + controller_count,
                           [](const Controller* controller) { return controller->busy(); });
    };
    while (busy() && proc::port::now() < limit) {
        service();
        asm volatile("pause");
    }
}

void add(lib::pci::Function function) {
    if (lib::pci::class_code(pci::space(), function) != class_xhci) return;
    const auto where = [&](const auto& problem) {
        log("usb {:02x}:{:02x}.{}: not used: {}", function.bus, function.device, function.function,
            problem);
    };
    if (controller_count == controllers.size()) return where("there are too many");
    const auto made = vm::heap_new<Controller>(function);
    if (!made) return where(made.error());
    if (const auto started = (*made)->start(vector_usb); !started) {
        vm::heap_delete(*made);
        return where(started.error());
    }
    controllers[controller_count++] = *made;
}

} // namespace

void initialise() {
    pci::initialise();
    set_interrupt_handler(vector_usb, service);
    pci::for_each_function(add);
    if (controller_count == 0) return;
    connect_device_alarm(service);
    keyboard::on_lights_change(hurry);
    service();
    if (!keyboard::has_controller()) wait_for_devices();
}

} // namespace arch::usb
