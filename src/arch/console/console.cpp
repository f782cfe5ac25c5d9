// SPDX-License-Identifier: MIT
// The console as processes see it: the log's sinks for output, a queue of typed bytes for input.
#include "arch/console/input.hpp"
#include "arch/console/screen.hpp"
#include "arch/log.hpp"
#include "lib/byte_ring.hpp"
#include "proc/port.hpp"
#include "vm/lock.hpp"

namespace arch::console {
namespace {

constinit vm::Guarded<lib::ByteRing<4096>, vm::Rank::log> typed;

} // namespace

void add_input(std::span<const char> bytes) {
    // Nobody reads: better to lose what is typed now than half of what was typed before.
    const bool kept = typed.lock()->push(bytes);
    if (kept) proc::handle_console_input();
}

} // namespace arch::console

namespace proc::port {

void console_write(std::span<const char> text) { arch::log_raw({text.data(), text.size()}); }

std::size_t console_read(std::span<char> buffer) {
    // Whoever reads waits for somebody who looks at the screen.
    arch::screen::refresh();
    return arch::console::typed.lock()->pop(buffer);
}

} // namespace proc::port
