// SPDX-License-Identifier: MIT
// The kernel's log: lines of text to every sink that is attached.
#pragma once

#include "lib/format.hpp"

#include <string_view>

namespace arch {

/// Where log text goes: called with whole pieces of text, in order. Must not log itself.
using LogSink = void (*)(std::string_view text);

/// Adds a sink (at most 4; more are ignored). Text from before is not repeated.
void add_log_sink(LogSink sink);

/// Writes `text` as it stands to every sink. Safe everywhere, interrupts on or off; takes no lock,
/// so pieces from several CPUs may mix.
void log_raw(std::string_view text);

/// Writes one line: the formatted text (see lib/format.hpp) and a line feed.
template <typename... Arguments>
void log(lib::FormatText<std::type_identity_t<Arguments>...> text, const Arguments&... arguments) {
    lib::format(lib::Sink([](void*, std::string_view piece) { log_raw(piece); }, nullptr), text,
                arguments...);
    log_raw("\n");
}

} // namespace arch
