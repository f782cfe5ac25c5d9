// SPDX-License-Identifier: MIT
// What each CPU has of its own, reached through GS while in the kernel.
#pragma once

#include "abi/system_calls.hpp"
#include "arch/cpu/area_offsets.hpp"
#include "arch/cpu/descriptors.hpp"
#include "arch/cpu/measures.hpp"
#include "arch/cpu/registers.hpp"
#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/pcid_cache.hpp"
#include "vm/port.hpp"
#include "vm/translations.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace proc {
class Thread;
} // namespace proc

namespace arch {

struct InterruptStacks;

/// What entry code of processors with isolated roots needs before it has loaded the kernel's: this
/// page alone of an area can be written there (arch/cpu/entry_root.hpp).
struct alignas(page_size) EntryPage {
    /// Traps from user mode arrive at its end, and leave for it from there.
    std::array<std::byte, page_size - 64> stack{};
    std::uint64_t user_stack = 0; ///< scratch of the system-call entry
    /// CR3 for the kernel; 0: user mode runs on the same.
    std::uint64_t kernel_root = 0;
    std::uint64_t user_root = 0;      ///< CR3 for the next return to user mode
    std::uint64_t user_root_kept = 0; ///< and for those that follow it
    std::uint64_t user_root_load = 0; ///< scratch of the way back
    std::array<std::uint64_t, 3> padding{};
};

/// In pages: this CPU's own, the descriptors (which user roots show for reading), EntryPage.
struct alignas(page_size) CpuArea {
    CpuArea* self = nullptr;
    /// Eight bytes below the top of the running thread's kernel stack, where system calls begin.
    std::uint64_t kernel_stack = 0;
    std::uint64_t user_stack = 0; ///< scratch of the system-call entry
    proc::Thread* thread = nullptr;
    std::uint32_t number = 0;
    std::uint8_t user_return_work = 0; ///< proc::before_user_return is wanted
    bool fsgsbase = false;             ///< user code may change FS and GS base
    bool smap = false;                 ///< user memory is out of reach without STAC
    bool guarded = false;              ///< entered and left by guarded_entry.S
    bool plain_roots = true;           ///< a root is loaded by writing CR3, and that is all
    /// Numbers from here on take the long way: abi::system_call_count, or 0 when the thread has
    /// declared its runtime.
    std::uint64_t system_call_limit = abi::system_call_count;
    /// Where the runtime's system calls return to: so many addresses from the first one.
    std::uint64_t runtime_first = 0;
    std::uint64_t runtime_count = 0;
    vm::PcidCache pcids;                               ///< where measures().pcid
    vm::Translations* translations = nullptr;          ///< of the space that is loaded
    vm::CpuSet::Place place = vm::CpuSet::place_of(0); ///< of `number`
    std::uint64_t alarm = ~0ULL;                       ///< nanoseconds; ~0: none
    std::uint64_t clock_start = 0; ///< what this CPU's TSC showed when time began
    std::uint32_t apic_id = 0;
    /// Of the word perturb=N: in nanoseconds, like the alarm.
    std::uint64_t perturbation = ~0ULL;
    InterruptStacks* stacks = nullptr;

    // Counters, for tests and figures.
    std::uint64_t interrupts = 0;
    std::uint64_t nmis = 0;
    std::uint64_t spurious_interrupts = 0;
    std::uint64_t reschedules = 0;    ///< vector_reschedule
    std::uint64_t flush_requests = 0; ///< vector_flush
    std::uint64_t flushed_pages = 0;  ///< INVLPG
    std::uint64_t flushed_spaces = 0; ///< CR3 or CR4 written for it
    std::uint64_t kept_roots = 0;     ///< loaded with what was cached before
    std::uint64_t fresh_roots = 0;    ///< loaded with a flush of their PCID

    alignas(page_size) GlobalDescriptors descriptors{};
    alignas(16) TaskState task_state{};

    EntryPage entry{};
};
static_assert(offsetof(CpuArea, descriptors) == CPU_DESCRIPTORS);
static_assert(offsetof(CpuArea, entry) == CPU_ENTRY);
static_assert(offsetof(CpuArea, entry.user_stack) == CPU_ENTRY_STACK_END);
static_assert(offsetof(CpuArea, entry.user_stack) == CPU_ENTRY_USER_STACK);
static_assert(offsetof(CpuArea, entry.kernel_root) == CPU_KERNEL_ROOT);
static_assert(offsetof(CpuArea, entry.user_root) == CPU_USER_ROOT);
static_assert(offsetof(CpuArea, entry.user_root_kept) == CPU_USER_ROOT_KEPT);
static_assert(offsetof(CpuArea, entry.user_root_load) == CPU_USER_ROOT_LOAD);
static_assert(offsetof(CpuArea, self) == CPU_SELF);
static_assert(offsetof(CpuArea, kernel_stack) == CPU_KERNEL_STACK);
static_assert(offsetof(CpuArea, user_stack) == CPU_USER_STACK);
static_assert(offsetof(CpuArea, thread) == CPU_THREAD);
static_assert(offsetof(CpuArea, number) == CPU_NUMBER);
static_assert(offsetof(CpuArea, user_return_work) == CPU_USER_RETURN_WORK);
static_assert(offsetof(CpuArea, guarded) == CPU_GUARDED);
static_assert(offsetof(CpuArea, system_call_limit) == CPU_SYSTEM_CALL_LIMIT);
static_assert(offsetof(CpuArea, runtime_first) == CPU_RUNTIME_FIRST);
static_assert(offsetof(CpuArea, runtime_count) == CPU_RUNTIME_COUNT);

/// The area of the CPU that runs this.
inline CpuArea& this_cpu() {
    CpuArea* area = nullptr;
    asm("movq %%gs:%c1, %0" : "=r"(area) : "i"(CPU_SELF));
    return *area;
}

/// All areas by CPU number; null where no CPU is. Written while the machine starts, only.
extern std::array<CpuArea*, vm::port::cpu_limit> cpu_areas;
/// The number of CPUs that run: 1 until others are started.
unsigned cpu_count();

/// Gives a CPU that runs, and whose area has its number, its place in cpu_areas.
/// Precondition: the number is cpu_count().
void add_cpu(CpuArea& area);

/// Puts the boot CPU's area into place and loads its descriptors: the first thing that C++ does
/// once paging is as it stays. Afterwards this_cpu() and traps work.
void initialise_boot_cpu();

/// Memory for another CPU: its area, with the number that add_cpu() wants, interrupt stacks, and a
/// kernel stack. Error: no_memory.
Result<CpuArea*> make_cpu_area();
/// Gives back what make_cpu_area() took. Precondition: no CPU uses it.
void free_cpu_area(CpuArea& area);
/// Called by another CPU, first of all: makes `area` its own, with GS and descriptors.
/// Precondition: enable_cpu_features() was called.
void take_cpu_area(CpuArea& area);

/// Shows user mode's roots what an entry on this CPU needs of its area. Error: no_memory.
Result<void> expose_cpu(const CpuArea& area);

/// One interrupt stack: its lowest page and the top, above which the area's address stands.
/// For a stack overflow report and for backtraces.
VirtRange interrupt_stack(const CpuArea& area, InterruptStack stack);
/// The next lower level of an NMI stack whose top is `top`.
std::uint64_t interrupt_stack_below(std::uint64_t top);

} // namespace arch
