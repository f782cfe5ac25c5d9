// SPDX-License-Identifier: MIT
// The xHCI driver with controllers that break, lie or belong to the firmware still.
#include "shim/usb_rig.hpp"

#include <doctest/doctest.h>

#include <array>
#include <random>

using lib::xhci::TrbType;
using shim::UsbDevice;
using shim::UsbRig;
using shim::XhciModel;

TEST_CASE("xhci controller: events that nobody asked for") {
    UsbRig rig;
    UsbDevice device;
    rig.model.plug(1, device);
    rig.start();
    std::mt19937 engine(9);
    const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
    for (int i = 0; i < 5000; ++i) {
        const std::uint64_t parameter =
            random() % 2 == 0 ? random() : 0x1'2340'0000 + random() % 65536;
        const std::uint32_t type = random() % 8 == 0 ? random() % 64 : 32 + random() % 3;
        rig.model.post({parameter, random() | 2U << 24,
                        type << 10 | random() % 4 << 24 | random() % 32 << 16});
        if (i % 50 == 0) rig.pass(1);
    }
    rig.pass(30'000);
    CHECK(rig.driver->running());
    INFO(rig.story());
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci controller: the end of another command is not the end of the one under way") {
    UsbRig rig;
    UsbDevice device;
    rig.model.prompt_commands = 1; // the slot
    rig.model.plug(1, device);
    rig.start(500);
    for (const std::uint64_t other : {0ULL, 1ULL << 32, ~0ULL})
        rig.model.post({other, 1U << 24, lib::xhci::trb_type(TrbType::command_event) | 1U << 24});
    rig.pass(500);
    CHECK(device.requests.empty());
    rig.model.go_on();
    rig.pass(500);
    CHECK(rig.driver->keyboards() == 1);
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci controller: the firmware lets go, or is made to") {
    for (const bool lets_go : {true, false}) {
        UsbRig rig;
        UsbDevice device;
        rig.model.firmware_lets_go = lets_go;
        rig.model.plug(1, device);
        rig.start();
        CHECK(rig.driver->keyboards() == 1);
        CHECK(rig.said("!the firmware does not let go") == !lets_go);
        CHECK_FALSE(rig.model.firmware_owns);
        CHECK(rig.model.complaints.empty());
    }
    UsbRig without;
    without.model.has_legacy = false;
    without.start();
    CHECK(without.driver->running());
}

TEST_CASE("xhci controller: controllers that make no sense are left alone") {
    const auto end_of = [](auto change) {
        UsbRig rig;
        change(rig.model);
        rig.start(10'000);
        CHECK(rig.driver->due() == (rig.driver->dead() ? lib::xhci::never : rig.driver->due()));
        CHECK(rig.model.memory_taken == 0);
        return std::string(rig.driver->dead() ? rig.model.lines.back() : "");
    };
    CHECK(end_of([](XhciModel& m) { m.gone = true; }) == "!its registers make no sense; not used");
    CHECK(end_of([](XhciModel& m) { m.window_bytes = 16; }).size() > 1);
    CHECK(end_of([](XhciModel& m) { m.window_bytes = 0x1000; }).size() > 1);
    CHECK(end_of([](XhciModel& m) { m.set_register(0, 0xFC); }).size() > 1 - 1);
    CHECK(end_of([](XhciModel& m) { m.set_register(0, 0x10); }).size() > 1);
    CHECK(end_of([](XhciModel& m) { m.set_register(4, 0); }).size() > 1);
    CHECK(end_of([](XhciModel& m) { m.set_register(0x14, 0xFFFF'FFF0); }).size() > 1);
    CHECK(end_of([](XhciModel& m) { m.set_register(0x18, 0xFFFF'FFF0); }).size() > 1);
    CHECK(end_of([](XhciModel& m) { m.never_halts = true; }) == "!it does not halt; not used");
    CHECK(end_of([](XhciModel& m) { m.reset_hangs = true; }) ==
          "!it does not come out of reset; not used");
    CHECK(end_of([](XhciModel& m) { m.set_register(0x28, 0); }) ==
          "!it wants memory pages of no size; not used");
    CHECK(end_of([](XhciModel& m) { m.memory_limit = 4096; }) == "!out of memory; not used");
    CHECK(end_of([](XhciModel& m) {
              m.scratch_pages = 1023;
              m.memory_limit = 1 << 20;
          }) == "!out of memory; not used");
}

TEST_CASE("xhci controller: lists of capabilities that bite their tails") {
    UsbRig rig;
    UsbDevice device;
    rig.model.set_register(0x540, 0x0300'0802); // on to 0x560
    rig.model.set_register(0x560, 0x0300'FF02); // far on, to nothing
    rig.model.plug(1, device);
    rig.start();
    CHECK(rig.driver->keyboards() == 1);
    UsbRig lies;
    lies.model.set_register(0x548, 0xFFFF'FFFF); // 255 ports from 255 on
    lies.start();
    CHECK(lies.driver->running());
}

TEST_CASE("xhci controller: scratch memory, below 4 GiB where it has to be") {
    UsbRig rig;
    UsbDevice device;
    rig.model.scratch_pages = 37;
    rig.model.reaches_all_memory = false;
    rig.model.plug(1, device);
    rig.start();
    CHECK(rig.driver->keyboards() == 1);
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci controller: memory runs out for a device, and comes back") {
    UsbRig rig;
    UsbDevice device;
    rig.model.plug(1, device);
    rig.model.memory_limit = 8192;
    rig.start();
    CHECK(rig.said("!port 1: not used: out of memory"));
    rig.model.memory_limit = ~std::size_t{0};
    rig.model.unplug(1);
    rig.pass(10);
    rig.model.plug(1, device);
    rig.pass(1000);
    CHECK(rig.driver->keyboards() == 1);
}

TEST_CASE("xhci controller: a controller that fails is started again, but not for ever") {
    UsbRig rig;
    UsbDevice device;
    rig.model.plug(1, device);
    rig.start();
    const std::size_t taken = rig.model.memory_taken;
    for (unsigned round = 1; round <= 5; ++round) {
        rig.model.controller_error = true;
        rig.driver->service(rig.now);
        rig.pass(1000);
        INFO(rig.story());
        CHECK(rig.driver->keyboards() == 1);
        CHECK(rig.model.controller_resets == round + 1);
    }
    CHECK(rig.model.memory_taken == taken);
    device.report(0, {0x04});
    rig.deliver(10);
    CHECK(rig.typed() == "a");
    rig.model.controller_error = true;
    rig.driver->service(rig.now);
    CHECK(rig.driver->dead());
    CHECK(rig.model.keys.back().pressed == false);
    CHECK(rig.model.complaints.empty());
}

TEST_CASE("xhci controller: a controller that is pulled out, or gives out slots it does not have") {
    UsbRig rig;
    UsbDevice device;
    rig.model.plug(1, device);
    rig.start();
    rig.model.gone = true;
    rig.driver->service(rig.now);
    CHECK(rig.driver->dead());
    CHECK(rig.driver->due() == lib::xhci::never);
    rig.driver->service(rig.now);

    for (const std::uint8_t slot : std::to_array<std::uint8_t>({0, 33, 255})) {
        UsbRig liar;
        UsbDevice other;
        liar.model.slot_override = slot;
        liar.model.plug(1, other);
        liar.start(10'000);
        CHECK(liar.driver->dead());
        CHECK(liar.said("gave out a slot that it does not have"));
    }
}
