// SPDX-License-Identifier: MIT
// The objects that stand for things of the machine: memory given at boot, the console, power.
#pragma once

#include "proc/object.hpp"
#include "proc/thread.hpp"
#include "vm/lock.hpp"
#include "vm/object.hpp"

#include <span>

namespace proc {

/// Memory that can be mapped and belongs to nobody who maps it: what handles to it refer to.
class MemoryObject : public Object {
public:
    static constexpr ObjectKind object_kind = ObjectKind::memory;
    /// Memory of so many bytes, charged to `quota`. Errors: invalid_argument, no_memory,
    /// limit_reached.
    static Result<Ref<MemoryObject>> create(std::uint64_t bytes, const vm::QuotaRef& quota);
    /// What boot left at `start`, page-aligned; the rest of the last page holds nothing else.
    static Result<Ref<MemoryObject>> of_boot(PhysAddr start, std::uint64_t bytes);
    /// For these.
    MemoryObject(vm::ObjectRef memory, std::uint64_t bytes)
        : Object(ObjectKind::memory), memory_(std::move(memory)), bytes_(bytes) {}

    vm::MemoryObject& memory() const { return *memory_; }
    std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
    /// Gives it another length. Errors: as vm::MemoryObject::resize.
    Result<void> resize(PageCount pages);
    /// What shared mappings may allow who has these rights to it.
    vm::Ceiling most(std::uint32_t rights) const;

private:
    const vm::ObjectRef memory_; ///< its charge is enough for this one too
    std::atomic<std::uint64_t> bytes_;
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
