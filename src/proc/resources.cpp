// SPDX-License-Identifier: MIT
// The console's readers; the two objects that exist once.
#include "proc/resources.hpp"

#include "proc/scheduler.hpp"

namespace proc {

namespace {

constinit Console the_console;
constinit PowerSwitch the_power_switch;

} // namespace

Console& console() { return the_console; }
PowerSwitch& power_switch() { return the_power_switch; }

Result<std::size_t> Console::read(std::span<char> buffer) {
    Thread& self = port::current_thread();
    for (;;) {
        {
            auto readers = readers_.lock();
            const std::size_t taken = port::console_read(buffer);
            if (taken != 0) return taken;
            readers->push_back(self);
            prepare_to_block(self);
        }
        Result<void> woken = block(self);
        if (woken) continue;
        auto readers = readers_.lock();
        if (Readers::contains(self)) readers->remove(self);
        return woken.error();
    }
}

void Console::input_arrived() {
    auto readers = readers_.lock();
    while (Thread* reader = readers->pop_front())
        if (wake(*reader)) return;
}

void handle_console_input() { the_console.input_arrived(); }

} // namespace proc
