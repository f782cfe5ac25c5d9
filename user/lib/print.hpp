// SPDX-License-Identifier: MIT
// Formatted output to the console, a line at a time.
#pragma once

#include "lib/format.hpp"
#include "user/lib/calls.hpp"
#include "user/lib/mutex.hpp"

#include <string_view>

namespace user {

/// Text on its way to the console. A write ends in the console when it completes a line or the
/// buffer is full; what one `print` call writes is never mixed with another thread's.
class Output {
public:
    void write(std::string_view text);
    void flush();

    Mutex& mutex() { return mutex_; }

private:
    void append(std::string_view text);
    void flush_locked();

    friend class OutputLine;
    friend class WrittenOutput;
    Mutex mutex_;
    std::size_t size_ = 0;
    char buffer_[512] = {};
};

Output& output();

/// Holds the output for one piece of formatted text.
class OutputLine {
public:
    OutputLine() : lock_(output().mutex()) {}
    OutputLine(const OutputLine&) = delete;
    OutputLine& operator=(const OutputLine&) = delete;
    ~OutputLine();
    void operator()(std::string_view text) { output().append(text); }

private:
    MutexLock lock_;
};

/// Holds the output for a scope, with all text written out.
class WrittenOutput {
public:
    WrittenOutput() : lock_(output().mutex()) { output().flush_locked(); }
    WrittenOutput(const WrittenOutput&) = delete;
    WrittenOutput& operator=(const WrittenOutput&) = delete;

private:
    MutexLock lock_;
};

/// Prints to the console; placeholders are `lib::format`'s and checked when compiled.
template <typename... Arguments>
void print(lib::FormatText<std::type_identity_t<Arguments>...> text,
           const Arguments&... arguments) {
    OutputLine line;
    lib::format(lib::Sink(line), text, arguments...);
}

/// Writes out what has no line end yet.
void flush();

/// Prints `NAME: text` and ends the program with status_failure.
[[noreturn]] void die(std::string_view text);

} // namespace user
