// SPDX-License-Identifier: MIT
// The sinks of the log.
#include "arch/log.hpp"

#include <array>
#include <cstddef>

namespace arch {

namespace {

constinit std::array<LogSink, 4> sinks{};
constinit std::size_t sink_count = 0;

} // namespace

void add_log_sink(LogSink sink) {
    if (sink_count < sinks.size()) sinks[sink_count++] = sink;
}

void log_raw(std::string_view text) {
    for (std::size_t i = 0; i < sink_count; ++i) sinks[i](text);
}

} // namespace arch
