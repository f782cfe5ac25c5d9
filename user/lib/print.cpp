// SPDX-License-Identifier: MIT
// Formatted output to the console.
#include "user/lib/print.hpp"

#include "user/lib/program.hpp"
#include "user/lib/start.hpp"

namespace user {

namespace {
constinit Output console_output;
}

Output& output() { return console_output; }

void Output::write(std::string_view text) {
    MutexLock lock(mutex_);
    append(text);
    if (text.ends_with('\n')) flush_locked();
}

void Output::flush() {
    MutexLock lock(mutex_);
    flush_locked();
}

void Output::append(std::string_view text) {
    write_out = user::flush;
    while (!text.empty()) {
        if (size_ == sizeof buffer_) flush_locked();
        const std::size_t part = std::min(text.size(), sizeof buffer_ - size_);
        __builtin_memcpy(buffer_ + size_, text.data(), part);
        size_ += part;
        text.remove_prefix(part);
    }
}

void Output::flush_locked() {
    std::string_view rest(buffer_, size_);
    while (!rest.empty()) {
        const auto written = console_write(handles.console, rest);
        if (!written || *written == 0) break; // nobody to tell
        rest.remove_prefix(*written);
    }
    size_ = 0;
}

OutputLine::~OutputLine() {
    Output& out = output();
    if (out.size_ != 0 && out.buffer_[out.size_ - 1] == '\n') out.flush_locked();
}

void flush() { console_output.flush(); }

void die(std::string_view text) {
    const auto info = process_info(abi::no_handle);
    print("{}: {}\n", info ? info->name : "?", text);
    exit(status_failure);
}

} // namespace user
