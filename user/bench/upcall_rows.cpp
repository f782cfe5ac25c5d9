// SPDX-License-Identifier: MIT
// Rows about faults that a thread handles itself.
#include "user/bench/rows.hpp"
#include "user/bench/samples.hpp"
#include "user/lib/upcall.hpp"

namespace bench {

namespace {

constexpr int count = 5'000;
constexpr std::uint64_t instruction_bytes = 3; // of the store below

std::uint64_t page;

bool skip(user::UpcallFrame& frame) {
    frame.rip += instruction_bytes;
    return true;
}

bool repair(user::UpcallFrame& frame) {
    return user::protect(align_down(frame.address, page_size), page_size,
                         abi::access_read | abi::access_write)
        .ok();
}

void measure_stores(std::string_view row, user::UpcallHandler handler) {
    const auto upcalls = must(user::Upcalls::install(handler), "thread_upcalls");
    Samples samples(count);
    for (int i = -warm_rounds; i < count; ++i) {
        const std::uint64_t begun = time_stamp();
        asm volatile("movb $1, (%%rax)" : : "a"(page) : "memory");
        const std::uint64_t ended = time_stamp();
        must(user::protect(page, page_size, abi::access_none), "protect");
        if (i >= 0) samples.add(begun, ended);
    }
    samples.print(row);
}

} // namespace

/// A store to a page that was touched, and then lost all its rights.
void measure_upcalls() {
    page = must(user::map(page_size), "map");
    touch(page, page_size);
    must(user::protect(page, page_size, abi::access_none), "protect");
    measure_stores("sigsegv_handler_skips", skip);
    measure_stores("sigsegv_handler_mprotects", repair);
}

} // namespace bench
