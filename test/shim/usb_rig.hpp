// SPDX-License-Identifier: MIT
// The xHCI driver on the modelled controller, with a clock that a test turns.
#pragma once

#include "lib/xhci/controller.hpp"
#include "shim/xhci_model.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace shim {

struct UsbRig {
    XhciModel model;
    std::optional<lib::xhci::Controller> driver;
    std::uint64_t now = 1'000'000'000;
    unsigned services = 0;

    UsbRig() { driver.emplace(model.host()); }

    /// Starts the driver and lets some seconds pass. Knobs of the model are set before.
    void start(std::uint64_t milliseconds = 3000) {
        driver.emplace(model.host());
        driver->start(now);
        pass(milliseconds);
    }
    /// Interrupts and times as they come. Throws when the driver is never done.
    void pass(std::uint64_t milliseconds) {
        const std::uint64_t end = now + milliseconds * 1'000'000;
        for (unsigned turn = 0;; ++turn) {
            if (turn == 200'000) throw std::runtime_error("the driver goes round in circles");
            if (!model.interrupting()) {
                if (driver->due() > end) break;
                now = std::max(now, driver->due());
            }
            ++services;
            driver->service(now);
        }
        now = end;
    }
    /// What the model still owes the driver, then some time.
    void deliver(std::uint64_t milliseconds = 100) {
        model.deliver();
        pass(milliseconds);
    }
    std::string typed() {
        std::string text;
        lib::UsKeyboard layout;
        for (const lib::KeyEvent event : model.keys) text += layout.push(event);
        return text;
    }
    bool said(std::string_view words) const {
        return std::any_of(model.lines.begin(), model.lines.end(), [words](const auto& line) {
            return line.find(words) != std::string::npos;
        });
    }
    /// All that was logged and all that the model took amiss, for a failed check.
    std::string story() const {
        std::string all;
        for (const auto& line : model.lines) all += line + "\n";
        for (const auto& line : model.complaints) all += "complaint: " + line + "\n";
        return all;
    }
};

} // namespace shim
