// SPDX-License-Identifier: MIT
// The console as processes see it: the log's sinks for output, a queue of typed bytes for input.
#include "arch/console/input.hpp"
#include "arch/console/screen.hpp"
#include "arch/log.hpp"
#include "lib/byte_ring.hpp"
#include "proc/port.hpp"

namespace arch::console {
namespace {

// Interrupts are off in the kernel, and input comes to one CPU: no lock is needed.
constinit lib::ByteRing<4096> typed;

} // namespace

void add_input(std::span<const char> bytes) {
    // Nobody reads: better to lose what is typed now than half of what was typed before.
    if (typed.push(bytes)) proc::handle_console_input();
}

} // namespace arch::console

namespace proc::port {

void console_write(std::span<const char> text) { arch::log_raw({text.data(), text.size()}); }

std::size_t console_read(std::span<char> buffer) {
    // Whoever reads waits for somebody who looks at the screen.
    arch::screen::refresh();
    return arch::console::typed.pop(buffer);
}

} // namespace proc::port
