// SPDX-License-Identifier: MIT
// One PCI function with xHCI's registers: what the driver in lib/xhci asks of the kernel.
#pragma once

#include "lib/pci/config_space.hpp"
#include "lib/xhci/controller.hpp"

namespace arch::usb {

/// A controller in the machine. It stays where it is, since the driver refers to it.
class Controller {
public:
    explicit Controller(lib::pci::Function function) : function_(function) {}
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

    /// Maps the registers, lets it interrupt at `vector`, and begins. Errors: those of
    /// lib::pci::read_memory_bar and of mapping.
    Result<void> start(unsigned vector);

    /// The driver's turn: after an interrupt, and when due. Boot CPU, interrupts off.
    void service(std::uint8_t lights);
    /// Nanoseconds since boot; ~0: not before an interrupt.
    std::uint64_t due() const;
    /// Whether it, or a device, is on its way to be used.
    bool busy() const { return !started_ || driver_->busy(); }

private:
    lib::xhci::Host host();

    lib::pci::Function function_;
    volatile std::uint32_t* registers_ = nullptr;
    std::uint32_t window_bytes_ = 0;
    bool started_ = false;
    bool polled_ = false;        ///< it can't send interrupts as messages
    std::uint64_t start_at_ = 0; ///< its registers may be touched from then on
    std::uint64_t last_service_ = 0;
    std::optional<lib::xhci::Controller> driver_;
};

} // namespace arch::usb
