// SPDX-License-Identifier: MIT
// What src/vm asks of its machine (src/vm/port.hpp), for a toy: one CPU without an MMU, whose
// physical memory is a buffer. A kernel's port does the same with its own memory, CPU numbers and
// interrupts; what differs in each function is said there.
#include "vm/port.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace vm::port {

// A kernel maps all physical memory somewhere and names the place here.
std::uintptr_t direct_map = 0;

// A kernel with several CPUs reads this from the CPU's own data. Interrupts must be off, or the
// thread bound to its CPU, while it is in src/vm.
unsigned cpu() { return 0; }

// Another CPU holds a lock: pause, and answer the flushes that it may be waiting for.
void spin_wait() {}

void zero_pages(void* first, std::uint64_t count) { std::memset(first, 0, count * page_size); }
void copy_page(void* to, const void* from) { std::memcpy(to, from, page_size); }

// A kernel that isolates its page tables from user mode says yes, and has roots of two pages.
bool mirrored_roots() { return false; }

// A kernel executes INVLPG for the range, or loads CR3, and has the other CPUs that ran the space
// do so (request.space->translations() knows which), before it returns. The toy has no TLB.
void flush(const FlushRequest&) {}

// Only for machines whose kernel half is no real mapping.
void kernel_mapped(VirtRange) {}

[[noreturn]] void panic(const char* what, std::source_location where) {
    std::fprintf(stderr, "panic: %s at %s:%u\n", what, where.file_name(), where.line());
    std::abort();
}

} // namespace vm::port
