// SPDX-License-Identifier: MIT
// What the map asks of the machine. The kernel's src/arch and the hosted shim each provide it,
// resolved at link time.
#pragma once

#include "lib/address.hpp"

#include <cstdint>
#include <source_location>

namespace vm {
class AddressSpace;
} // namespace vm

namespace vm::port {

/// CPUs are numbered from 0 without holes, below this.
inline constexpr unsigned cpu_limit = 256;

/// Where physical address 0 appears: frame memory is read and written at direct_map + address.
/// Set before the map is used; never changed.
extern std::uintptr_t direct_map;

/// Number of the CPU that runs this. The caller can't move to another CPU meanwhile.
unsigned cpu();

/// One turn of a wait for another CPU: a pause, and the answer to flushes that others asked of this
/// CPU meanwhile. Takes no lock.
void spin_wait();

/// Fills `count` pages in a row, from `first` on (page-aligned, in the direct map), with zeros.
void zero_pages(void* first, std::uint64_t count);
inline void zero_page(void* page) { zero_pages(page, 1); }
/// Copies one page; both page-aligned, in the direct map.
void copy_page(void* to, const void* from);

/// Whether user mode runs on a root of its own (kernel page-table isolation). Then each root is two
/// pages, aligned to their size: the kernel's, and behind it user mode's, whose user half is the
/// same and whose kernel half is that of the kernel's own second root. Set before the first space.
bool mirrored_roots();

/// What must be flushed before replaced frames and tables may be reused.
struct FlushRequest {
    AddressSpace* space; ///< whose translations; the kernel's own for its half
    VirtRange range;     ///< page-granular, not empty
    bool tables;         ///< entries that refer to tables changed as well, so
                         ///< paging-structure caches count (SDM 4.10.4)
};
/// Returns when no CPU can use a translation (or cached table reference) of the range that was
/// made before the call, and every CPU that may read the space's tables without a lock has let go
/// of the pointers that it held: who was interrupted, or waited, starts its walk again. Called
/// under the locks of the changed tables, so that nobody maps the range again before it is flushed.
void flush(const FlushRequest& request);

/// Pages of the kernel's half were mapped and populated, and are about to be used by pointer. The
/// machine's own walker sees them already; a hosted shim mirrors them into its process here.
void kernel_mapped(VirtRange range);

/// Whether an allocation of frames may go on; a test machine says no to try what happens.
#ifdef TABULA_HOSTED
bool allocation_allowed();
/// A hole search looks at another table, or at another word of a bitmap: a test counts them.
void searched_table();
void searched_word();
#else
constexpr bool allocation_allowed() { return true; }
constexpr void searched_table() {}
constexpr void searched_word() {}
#endif

/// Ends everything: an invariant does not hold.
[[noreturn]] void panic(const char* what,
                        std::source_location where = std::source_location::current());

} // namespace vm::port

namespace vm {

/// Checks an invariant that costs next to nothing to check; on in every build.
constexpr void require(bool holds, const char* what,
                       std::source_location where = std::source_location::current()) {
    if (!holds) [[unlikely]]
        port::panic(what, where);
}

/// A frame's memory.
inline void* direct(PhysAddr address) {
    return reinterpret_cast<void*>(port::direct_map + address.value);
}

} // namespace vm
