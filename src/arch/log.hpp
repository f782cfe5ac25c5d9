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

/// Holds the log: what is written meanwhile stands together. No other lock may be taken under it,
/// and nothing that may fault touched. One CPU alone holds nothing, and needs nothing.
class [[nodiscard]] LogHold {
public:
    LogHold();
    ~LogHold();
    LogHold(const LogHold&) = delete;
    LogHold& operator=(const LogHold&) = delete;

private:
    bool held_;
};

/// Never to be held again: all other CPUs have stopped, perhaps one of them while it held it.
void break_log_hold();

/// Writes `text` to every sink. Precondition: the log is held.
void write_held_log(std::string_view text);

/// Writes `text` as it stands to every sink, interrupts on or off.
void log_raw(std::string_view text);

/// Writes one line: the formatted text (see lib/format.hpp) and a line feed.
template <typename... Arguments>
void log(lib::FormatText<std::type_identity_t<Arguments>...> text, const Arguments&... arguments) {
    const LogHold hold;
    lib::format(lib::Sink([](void*, std::string_view piece) { write_held_log(piece); }, nullptr),
                text, arguments...);
    write_held_log("\n");
}

} // namespace arch
