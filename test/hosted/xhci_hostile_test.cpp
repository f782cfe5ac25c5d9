// SPDX-License-Identifier: MIT
// The xHCI driver against devices that lie or keep silent.
#include "shim/usb_rig.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>

using lib::usb::Setup;
using lib::xhci::Completion;
using lib::xhci::TrbType;
using shim::UsbAnswer;
using shim::UsbBytes;
using shim::UsbDevice;
using shim::UsbRig;
using shim::XhciModel;

namespace {

/// One device at port 1, and what becomes of it.
struct Outcome {
    bool keyboard = false;
    bool switched_off = false;
    std::string story;
};
Outcome outcome(UsbDevice& device) {
    UsbRig rig;
    rig.model.plug(1, device);
    rig.start(30'000);
    CHECK(rig.driver->running());
    CHECK_FALSE(rig.driver->busy());
    CHECK(rig.model.slots_in_use() == rig.driver->keyboards());
    // Another one is not harmed.
    UsbDevice other;
    rig.model.plug(2, other);
    rig.pass(1000);
    other.report(0, {0x04});
    rig.deliver();
    CHECK(rig.typed() == "a");
    CHECK(rig.model.complaints == std::vector<std::string>{});
    return {rig.driver->keyboards() == 2, rig.said("!port 1: switched off"), rig.story()};
}

/// A device that answers the n-th request in its own way.
UsbDevice odd_at(unsigned which, UsbAnswer answer) {
    UsbDevice device;
    device.special = [which, answer, count = 0U](const Setup&) mutable -> std::optional<UsbAnswer> {
        if (count++ % 8 == which) return answer;
        return std::nullopt;
    };
    return device;
}

} // namespace

TEST_CASE("xhci hostile: no answer, an error or nothing at all at each request in turn") {
    for (unsigned which = 0; which < 7; ++which) {
        for (const UsbAnswer& answer :
             {UsbAnswer::none(), UsbAnswer::stall(), UsbAnswer{Completion::transaction_error, {}},
              UsbAnswer{Completion::babble, {}}, UsbAnswer{Completion{200}, {}}, UsbAnswer{}}) {
            UsbDevice device = odd_at(which, answer);
            const Outcome end = outcome(device);
            INFO(end.story);
            CHECK((end.keyboard || end.switched_off));
        }
    }
}

TEST_CASE("xhci hostile: descriptors that are too short, too long or of another kind") {
    const auto end_of = [](auto change) {
        UsbDevice device;
        change(device);
        return outcome(device);
    };
    CHECK(end_of([](UsbDevice& d) { d.device_descriptor[7] = 0; }).switched_off);
    CHECK(end_of([](UsbDevice& d) { d.device_descriptor[7] = 255; }).switched_off);
    CHECK(end_of([](UsbDevice& d) { d.device_descriptor[1] = 4; }).switched_off);
    CHECK(end_of([](UsbDevice& d) { d.device_descriptor[0] = 0; }).switched_off);
    CHECK(end_of([](UsbDevice& d) { d.device_descriptor.resize(17); }).switched_off);
    CHECK(end_of([](UsbDevice& d) { d.device_descriptor.resize(7); }).switched_off);
    CHECK(end_of([](UsbDevice& d) { d.configuration[2] = 8; }).switched_off);
    CHECK(end_of([](UsbDevice& d) { d.configuration[1] = 1; }).switched_off);
    CHECK(end_of([](UsbDevice& d) { d.configuration.resize(8); }).switched_off);
    // Says 64 KiB, sends what it has: the keyboard is found within.
    CHECK(end_of([](UsbDevice& d) { d.configuration[2] = d.configuration[3] = 0xFF; }).keyboard);
    // Sends more than it says.
    CHECK_FALSE(end_of([](UsbDevice& d) { d.configuration[2] = 20; }).keyboard);
    CHECK(end_of([](UsbDevice& d) { d.configuration.resize(60'000); }).keyboard);
    // Endpoints of every number and size.
    for (unsigned endpoint = 0x80; endpoint < 0x90; ++endpoint) {
        CHECK(end_of([&](UsbDevice& d) {
                  d.configuration[29] = static_cast<std::uint8_t>(endpoint);
              }).keyboard == (endpoint != 0x80));
    }
    for (const std::uint8_t interval : std::to_array<std::uint8_t>({0, 1, 255}))
        CHECK(end_of([&](UsbDevice& d) { d.configuration[33] = interval; }).keyboard);
}

TEST_CASE("xhci hostile: reports of any length and content") {
    UsbRig rig;
    UsbDevice device;
    device.configuration[31] = 0xFF; // packets of 1023 bytes
    device.configuration[32] = 0x03;
    rig.model.plug(1, device);
    rig.start();
    std::mt19937 random(11);
    for (int i = 0; i < 2000; ++i) {
        UsbBytes bytes(random() % 100);
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
        device.reports.push_back({Completion::success, bytes});
    }
    rig.deliver();
    device.report(0, {});
    rig.deliver();
    rig.model.keys.clear();
    device.report(0, {0x04});
    rig.deliver(10);
    INFO(rig.story());
    CHECK(rig.typed() == "a");
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci hostile: random devices") {
    std::mt19937 engine(5);
    const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
    for (int round = 0; round < 300; ++round) {
        UsbRig rig;
        UsbDevice device;
        for (UsbBytes* text : {&device.device_descriptor, &device.configuration}) {
            for (unsigned flips = random() % 4; flips > 0; --flips)
                (*text)[random() % text->size()] = static_cast<std::uint8_t>(random());
        }
        device.special = [&](const Setup& setup) -> std::optional<UsbAnswer> {
            switch (random() % 40) {
            case 0: return UsbAnswer::stall();
            case 1: return UsbAnswer::none();
            case 2: return UsbAnswer{static_cast<Completion>(random() % 40 + 2), {}};
            case 3: return UsbAnswer{Completion::success, UsbBytes(random() % (setup.length + 1U))};
            default: return std::nullopt;
            }
        };
        for (unsigned i = random() % 30; i > 0; --i) {
            device.reports.push_back({random() % 3 == 0 ? Completion::stall : Completion::success,
                                      UsbBytes(random() % 12, 0x04)});
        }
        rig.model.plug(1, device);
        rig.start(1000 + random() % 9000);
        if (random() % 2 == 0) rig.model.unplug(1);
        rig.deliver(20'000);
        CHECK(rig.driver->running());
        INFO(rig.story());
        CHECK(rig.model.slots_in_use() == rig.driver->keyboards());
        CHECK(rig.model.complaints == std::vector<std::string>{});
    }
}

TEST_CASE("xhci hostile: a device that never takes its address") {
    UsbDevice device;
    device.answers_address = false;
    const Outcome end = outcome(device);
    CHECK(end.switched_off);
    INFO(end.story);
    CHECK(end.story.find("setting the address: transaction error") != std::string::npos);
}

TEST_CASE("xhci hostile: a command that is never answered bans the port, not the controller") {
    UsbRig rig;
    UsbDevice bad;
    rig.model.ignored = TrbType::address_device;
    rig.model.plug(1, bad);
    rig.start(6000);
    CHECK(rig.said("!port 1: switched off: the controller hangs at it (setting the address)"));
    CHECK(rig.model.controller_resets == 2);
    rig.model.ignored = TrbType::none;
    UsbDevice good;
    rig.model.plug(2, good);
    rig.pass(1000);
    CHECK(bad.addressed == 0);
    good.report(0, {0x04});
    rig.deliver();
    INFO(rig.story());
    CHECK(rig.typed() == "a");
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci hostile: a port without a speed, one that disables itself") {
    UsbRig rig;
    UsbDevice device;
    rig.model.plug(1, device);
    rig.start();
    CHECK(rig.driver->keyboards() == 1);
    rig.model.disable_port(1);
    rig.pass(1000);
    CHECK(device.addressed == 2);
    CHECK(rig.driver->keyboards() == 1);
    for (int i = 0; i < 5; ++i) {
        rig.model.disable_port(1);
        rig.pass(1000);
    }
    CHECK(device.addressed == 3);
    CHECK(rig.said("!port 1: switched off: reports: the port was disabled"));
    CHECK(rig.model.complaints.empty());
}
