// SPDX-License-Identifier: MIT
// The modelled machine on which src/vm and src/proc run hosted: memory, CPUs, their MMUs, and
// accesses by modelled instructions that take faults as hardware does. Make one per test case.
#pragma once

#include "shim/arena.hpp"
#include "shim/mmu.hpp"
#include "vm/frames.hpp"
#include "vm/space.hpp"

#include <cstddef>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace shim {

/// What vm::port::panic throws.
struct Panic : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct MachineOptions {
    /// Memory that frames are made of; the defaults have holes, frame 0, and a part above 4 GiB.
    std::vector<PhysRange> zones = default_zones();
    unsigned cpus = 2;
    Processor processor{};
    bool mirrored_roots = false; ///< user mode runs on a root of its own
    PageCount commit_limit{};    ///< 0: all that can be kept
    static std::vector<PhysRange> default_zones();
    /// 4 MiB above 1 MiB and 2 MiB above 4 GiB: quick to make a thousand of.
    static std::vector<PhysRange> small_zones();
};

class Machine {
public:
    explicit Machine(const MachineOptions& options = {});
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    /// The one that exists now. Throws ModelError when there is none.
    static Machine& current();

    Mmu& mmu() { return mmu_; }
    const MachineOptions& options() const { return options_; }
    /// The root that the kernel's space was built on.
    PhysAddr kernel_root() const { return kernel_root_; }
    /// Memory that no zone holds and the allocator does not manage, zeroed; 1 MiB in all.
    PhysAddr reserve(std::uint64_t bytes);

    /// Accesses by an instruction in user mode on this CPU, in `space`: page by page; a fault calls
    /// the space's resolve and tries again. Ends at the first that is not resolved.
    vm::Resolution read(vm::AddressSpace& space, VirtAddr address, std::span<std::byte> to);
    vm::Resolution write(vm::AddressSpace& space, VirtAddr address,
                         std::span<const std::byte> from);
    vm::Resolution execute(vm::AddressSpace& space, VirtAddr address);
    /// The same with 8 bytes, aligned. Reading what can't be read throws ModelError.
    vm::Resolution write_word(vm::AddressSpace& space, VirtAddr address, std::uint64_t value);
    std::uint64_t read_word(vm::AddressSpace& space, VirtAddr address);
    /// A fault by hand-made access; the physical address if it went well.
    struct Touch {
        vm::Resolution resolution;
        std::uint64_t physical;
        unsigned faults;
    };
    Touch touch(vm::AddressSpace& space, VirtAddr address, Operation operation);

    /// No CPU runs in `space` any more: each loads the kernel's root.
    void leave(const vm::AddressSpace& space);

    /// Everything that is wrong with what the CPUs have cached of the space; empty if nothing is.
    std::string complaints(const vm::AddressSpace& space);
    /// Notes what `complaints` then tells: for checks amid an operation, which must not throw.
    /// Any CPU may.
    void note(std::string violation);

private:
    void check_dropped(std::uint64_t frame, std::uint64_t bytes, bool table);

    MachineOptions options_;
    Mmu mmu_;
    PhysAddr kernel_root_{};
    PhysAddr reserve_next_{};
    std::mutex violations_mutex_;
    std::vector<std::string> violations_;
};

/// A user address space for a scope.
class Space {
public:
    /// `quota`: what it counts against, null for the machine alone.
    explicit Space(Machine& machine, vm::Quota* quota = nullptr);
    /// A copy of another one.
    Space(Machine& machine, vm::AddressSpace& original);
    ~Space();
    Space(const Space&) = delete;
    Space& operator=(const Space&) = delete;
    vm::AddressSpace* operator->() { return &space_; }
    vm::AddressSpace& operator*() { return space_; }
    const vm::AddressSpace& operator*() const { return space_; }

private:
    Machine& machine_;
    vm::AddressSpace space_;
};

/// Called before pages are filled with zeros. Set while one thread runs only.
using ZeroWatcher = void (*)();
inline constinit ZeroWatcher zero_watcher = nullptr;

/// This thread goes on as that CPU.
void set_cpu(unsigned cpu);

/// Refuses one allocation: the one after `allowed` others. Later ones go on.
void fail_allocation_after(std::uint64_t allowed);
/// Refuses all allocations after `allowed` others.
void fail_allocations_after(std::uint64_t allowed);
/// Refuses none any more. True when one was refused since the last call of the above.
bool allow_allocations();
/// Allocations asked for so far.
std::uint64_t allocation_count();

/// What hole searches of this thread looked at: tables below others, and words that speak for 32
/// slots each.
struct SearchCount {
    std::uint64_t tables = 0;
    std::uint64_t words = 0;
};
extern thread_local SearchCount search_count;

} // namespace shim
