// SPDX-License-Identifier: MIT
// Words and samples.
#include "peer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

namespace peer {

std::uint64_t stamp_cost = 0;
Samples first;
Samples second;

void say(const char* format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const std::size_t bytes = std::min(static_cast<std::size_t>(length), sizeof text - 1);
    for (std::size_t done = 0; done < bytes;) {
        const long written = write(1, text + done, bytes - done);
        if (written <= 0) break;
        done += static_cast<std::size_t>(written);
    }
}

void fail(const char* what, long value) {
    say("# FAIL %s: %ld (errno %d)\n", what, value, errno);
    _exit(1);
}

long read_text(const char* path, char* text, std::size_t capacity) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    std::size_t length = 0;
    for (;;) {
        const long got = read(file, text + length, capacity - 1 - length);
        if (got <= 0) break;
        length += static_cast<std::size_t>(got);
    }
    text[length] = 0;
    close(file);
    return static_cast<long>(length);
}

void write_text(const char* path, const char* text) {
    const int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, strlen(text)) < 0) fail(path, -errno);
    close(file);
}

long number_behind(const char* path, const char* word) {
    static char text[256 * kibibyte];
    if (read_text(path, text, sizeof text) < 0) return -1;
    const std::size_t length = strlen(word);
    for (const char* line = text; line != nullptr && *line != 0;) {
        if (strncmp(line, word, length) == 0) return atol(line + length);
        line = strchr(line, '\n');
        if (line != nullptr) ++line;
    }
    return -1;
}

void sleep_milliseconds(long milliseconds) {
    const timespec time{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
    nanosleep(&time, nullptr);
}

void Samples::print(double operations, const char* format, ...) {
    char name[96];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    const std::size_t count = count_;
    count_ = 0;
    if (count == 0) return say("# FAIL %s: no samples\n", name);
    std::sort(times_, times_ + count);
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(times_[i]);
    const auto number = static_cast<double>(count);
    say("%s\t%.0f\t%.1f\t%.1f\t%.1f\n", name, number * operations,
        static_cast<double>(times_[count / 2]) / operations,
        static_cast<double>(times_[0]) / operations, sum / number / operations);
}

void Samples::prepare(std::size_t count) {
    count_ = 0;
    memset(times_, 1, std::min(count, capacity) * sizeof times_[0]);
}

} // namespace peer
