// SPDX-License-Identifier: MIT
// The objects that stand for things of the machine: memory given at boot, the console, power.
#pragma once

#include "proc/object.hpp"
#include "proc/thread.hpp"
#include "vm/lock.hpp"

#include <span>

namespace proc {

/// Memory that can be mapped and belongs to nobody who maps it. Now: the boot archive.
class MemoryObject : public Object {
public:
    static constexpr ObjectKind object_kind = ObjectKind::memory;
    /// `start` is page-aligned, and the rest of the last page holds nothing else.
    MemoryObject(PhysAddr start, std::uint64_t bytes)
        : Object(ObjectKind::memory), start_(start), bytes_(bytes) {}
    PhysAddr start() const { return start_; }
    std::uint64_t bytes() const { return bytes_; }
    PageCount pages() const { return {align_up(bytes_, page_size) >> page_bits}; }

private:
    PhysAddr start_;
    std::uint64_t bytes_;
};

/// The machine's console: send writes, receive reads.
class Console : public Object {
public:
    static constexpr ObjectKind object_kind = ObjectKind::console;
    constexpr Console() : Object(ObjectKind::console) {}
    /// Takes at least one byte of what was typed; waits for it. Error: interrupted.
    Result<std::size_t> read(std::span<char> buffer);
    /// Called once before the first process.
    void initialise() { *readers_.lock() = {}; }
    /// Characters arrived: wakes a reader.
    void input_arrived();

private:
    using Readers = List<Thread, &Thread::wait_hook>;
    vm::Guarded<Readers, vm::Rank::endpoint> readers_;
};
/// There is one.
Console& console();

/// The power over the machine: control turns it off, inspect looks at the kernel's map.
class PowerSwitch : public Object {
public:
    static constexpr ObjectKind object_kind = ObjectKind::power;
    constexpr PowerSwitch() : Object(ObjectKind::power) {}
};
PowerSwitch& power_switch();

} // namespace proc
