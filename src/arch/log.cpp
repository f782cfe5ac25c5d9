// SPDX-License-Identifier: MIT
// The sinks of the log, and the lock before them.
#include "arch/log.hpp"

#include "arch/cpu/area.hpp"
#include "vm/lock.hpp"

#include <array>
#include <cstddef>

namespace arch {

namespace {

constinit std::array<LogSink, 4> sinks{};
constinit std::size_t sink_count = 0;

constinit vm::SpinLock<vm::Rank::log> lock;
constinit std::atomic<bool> broken{false};

} // namespace

void add_log_sink(LogSink sink) {
    if (sink_count < sinks.size()) sinks[sink_count++] = sink;
}

LogHold::LogHold() : held_(cpu_count() > 1 && !broken.load(std::memory_order_relaxed)) {
    if (held_) lock.lock();
}
LogHold::~LogHold() {
    if (held_) lock.unlock();
}

void break_log_hold() { broken.store(true); }

void write_held_log(std::string_view text) {
    for (std::size_t i = 0; i < sink_count; ++i) sinks[i](text);
}

void log_raw(std::string_view text) {
    const LogHold hold;
    write_held_log(text);
}

} // namespace arch
