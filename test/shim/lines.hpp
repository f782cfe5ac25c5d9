// SPDX-License-Identifier: MIT
// The cache-line model: which lines the modelled CPUs read and write in src/vm, and which locks
// they take. It sees every word that CPUs share or that a lock protects (vm/atomic.hpp), not memory
// that is zeroed or copied, nor what the processor's own walker does.
#pragma once

#include "lib/address.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace vm::port {
struct FlushRequest;
} // namespace vm::port

namespace shim {

inline constexpr std::uint64_t line_bytes = 64;

/// Counts while it exists; one at a time, and one thread runs.
class LineModel {
public:
    LineModel();
    ~LineModel();
    LineModel(const LineModel&) = delete;
    LineModel& operator=(const LineModel&) = delete;

    /// What one operation did.
    struct Counts {
        std::uint64_t lines_read = 0;    ///< and not written
        std::uint64_t lines_written = 0; ///< read or not
        std::uint64_t entry_writes = 0;  ///< stores into tables of a paging structure
        std::uint64_t locks = 0;         ///< taken
        std::uint64_t flushes = 0;       ///< asked of the port
        std::uint64_t flushed_pages = 0;
        std::uint64_t interrupts = 0; ///< other CPUs that run the space, once a flush each
        Counts& operator+=(const Counts& other);
    };
    /// Runs an operation of the CPU that this thread is, and counts.
    template <typename Operation>
    Counts count(Operation&& operation) {
        begin_operation();
        operation();
        return end_operation();
    }

    /// Forgets who used which line until now.
    void forget() { users_.clear(); }
    /// What CPUs had in common since then, each as words: a line or a lock, and whose it is.
    struct Common {
        std::vector<std::string> written;   ///< lines that several CPUs wrote
        std::vector<std::string> disturbed; ///< lines that one CPU wrote and others only read
        std::vector<std::string> locks;     ///< taken by several CPUs
    };
    Common common() const;

private:
    struct Users {
        std::set<unsigned> readers;
        std::set<unsigned> writers;
        std::set<unsigned> lockers;
    };
    void begin_operation();
    Counts end_operation();
    void note_access(std::uint64_t address, bool writes);
    void note_lock(std::uint64_t address);
    void note_flush(const vm::port::FlushRequest& request);
    friend class PausedLines;
    friend void count_flush(const vm::port::FlushRequest& request);

    static LineModel* current;
    bool counting_ = false;
    std::map<std::uint64_t, Users> users_;  ///< by line
    std::map<std::uint64_t, bool> touched_; ///< by the operation: whether written
    Counts counts_{};
};

/// While it exists, what the shim itself looks at is not counted.
class PausedLines {
public:
    PausedLines();
    ~PausedLines();
    PausedLines(const PausedLines&) = delete;
    PausedLines& operator=(const PausedLines&) = delete;

private:
    bool was_counting_ = false;
};

/// The port was asked for a flush.
void count_flush(const vm::port::FlushRequest& request);

} // namespace shim
