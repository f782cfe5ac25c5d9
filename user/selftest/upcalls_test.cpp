// SPDX-License-Identifier: MIT
// Upcalls: what a handler is told of each kind of fault, and what it can do about it.
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"
#include "user/selftest/upcall_cases.hpp"

#include <array>

namespace selftest {

Result<std::uint64_t> make_hole(std::uint64_t pages) {
    const std::uint64_t address = TRY(user::map(pages * page_size));
    TRY(user::unmap(address, pages * page_size));
    return address;
}

namespace {

using abi::State;
using abi::UpcallCause;
using user::UpcallFrame;
using user::Upcalls;

constexpr std::uint32_t read_write = abi::access_read | abi::access_write;

/// What the handlers below noted, and by how much they move RIP.
UpcallFrame seen;
unsigned count;
std::uint64_t step;

bool note_and_skip(UpcallFrame& frame) {
    seen = frame;
    ++count;
    frame.rip += step;
    return true;
}

/// Code that jumped to where it can't run returns to its caller.
bool note_and_return(UpcallFrame& frame) {
    seen = frame;
    ++count;
    frame.rip = *reinterpret_cast<const std::uint64_t*>(frame.rsp);
    frame.rsp += 8;
    return true;
}

void expect_seen(UpcallCause cause, std::string_view what, Place place = {}) {
    expect_equal(count, 1, what, place);
    expect_equal(static_cast<int>(seen.cause), static_cast<int>(cause), what, place);
    count = 0;
}

void expect_page(UpcallCause cause, std::uint64_t address, std::uint32_t access, State state,
                 std::uint32_t rights, Place place = {}) {
    expect_seen(cause, "cause", place);
    expect_equal(static_cast<std::int64_t>(seen.address), static_cast<std::int64_t>(address),
                 "address", place);
    expect_equal(seen.access, access, "access", place);
    expect_equal(static_cast<int>(seen.state), static_cast<int>(state), "state", place);
    expect_equal(seen.rights, rights, "rights", place);
}

void page_faults() {
    count = 0;
    const auto page = REQUIRE(user::map(page_size));
    const auto guard =
        REQUIRE(user::map(page_size, {.access = abi::access_none, .flags = abi::map_guard}));
    {
        const auto upcalls = REQUIRE(Upcalls::install(note_and_skip));
        const auto hole = REQUIRE(make_hole());
        step = store_bytes;
        store_at(hole + 7);
        expect_page(UpcallCause::hole, hole + 7, abi::access_write, State::empty, 0);
        store_at(guard);
        expect_page(UpcallCause::forbidden, guard, abi::access_write, State::callback, 0);
        store_at(0xffff'8000'0000'0000);
        expect_page(UpcallCause::hole, 0xffff'8000'0000'0000, abi::access_write, State::empty, 0);
        store_at(page); // nothing happens
        EXPECT_EQUAL(count, 0);
        REQUIRE(user::protect(page, page_size, abi::access_read));
        store_at(page + 8);
        expect_page(UpcallCause::forbidden, page + 8, abi::access_write, State::present,
                    abi::access_read);
        step = load_bytes;
        load_at(0);
        expect_page(UpcallCause::hole, 0, abi::access_read, State::empty, 0);
        REQUIRE(user::protect(page, page_size, abi::access_none));
        load_at(page + 9);
        expect_page(UpcallCause::forbidden, page + 9, abi::access_read, State::parked, 0);
    }
    // Without no-execute pages data can be executed, and faults don't tell a fetch from a read.
    if (has_no_execute()) {
        const auto upcalls = REQUIRE(Upcalls::install(note_and_return));
        REQUIRE(user::protect(page, page_size, read_write));
        reinterpret_cast<void (*)()>(page)();
        expect_page(UpcallCause::forbidden, page, abi::access_execute, State::present, read_write);
        EXPECT_EQUAL(seen.rip, page);
        const auto hole = REQUIRE(make_hole());
        reinterpret_cast<void (*)()>(hole)();
        expect_page(UpcallCause::hole, hole, abi::access_execute, State::empty, 0);
    }
    REQUIRE(user::unmap(page, page_size));
    REQUIRE(user::unmap(guard, page_size));
}

void other_exceptions() {
    count = 0;
    const auto upcalls = REQUIRE(Upcalls::install(note_and_skip));
    step = 2; // ud2, div, and the load
    asm volatile("ud2");
    expect_seen(UpcallCause::illegal, "ud2");
    EXPECT_EQUAL(seen.address, 0);
    EXPECT_EQUAL(seen.access, 0);
    asm volatile("xorl %%edx, %%edx\n\txorl %%ecx, %%ecx\n\tdivl %%ecx"
                 :
                 :
                 : "rax", "rcx", "rdx", "cc");
    expect_seen(UpcallCause::divide, "div");
    load_at(0x0000'8000'0000'0000);
    expect_seen(UpcallCause::privileged, "an address that is not canonical");
    step = 1;
    asm volatile("hlt");
    expect_seen(UpcallCause::privileged, "hlt");
    step = 0; // behind the instruction already
    asm volatile("int3");
    expect_seen(UpcallCause::breakpoint, "int3");
}

std::array<std::uint64_t, 8> steps;

/// Counts single steps, and ends them with the one before the last.
bool count_steps(UpcallFrame& frame) {
    constexpr std::uint64_t trap = 0x100;
    std::uint64_t own = 0;
    asm volatile("leaq -128(%%rsp), %%rsp\n\tpushfq\n\tpopq %0\n\tleaq 128(%%rsp), %%rsp"
                 : "=r"(own)
                 :
                 : "memory");
    if (frame.cause != UpcallCause::single_step || (own & trap) != 0) return false;
    steps[count++] = frame.rip;
    if (count == 4) frame.rflags &= ~trap;
    return true;
}

/// Each instruction one step, a system call too.
void single_steps() {
    count = 0;
    const auto upcalls = REQUIRE(Upcalls::install(count_steps));
    asm volatile("leaq -128(%%rsp), %%rsp\n\t"
                 "pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t"
                 "movl $0, %%eax\n\t" // 5 bytes
                 "syscall\n\t"        // 2
                 "nop\n\tnop\n\tnop\n\t"
                 "leaq 128(%%rsp), %%rsp"
                 :
                 :
                 : "rax", "rcx", "r11", "memory", "cc");
    static_assert(static_cast<unsigned>(abi::SystemCall::process_id) == 0);
    EXPECT_EQUAL(count, 4);
    // SYSRET gives TF back: some processors step right after it, others after what follows.
    EXPECT(steps[1] - steps[0] == 2 || steps[1] - steps[0] == 3);
    EXPECT_EQUAL(steps[2] - steps[1], 1);
    EXPECT_EQUAL(steps[3] - steps[2], 1);
}

bool map_there(UpcallFrame& frame) {
    ++count;
    return user::map(page_size,
                     {.address = align_down(frame.address, page_size), .flags = abi::map_fixed})
        .ok();
}
bool allow_there(UpcallFrame& frame) {
    ++count;
    return user::protect(align_down(frame.address, page_size), page_size, read_write).ok();
}

/// The instruction runs again once there is memory, or are rights.
void repairs() {
    count = 0;
    constexpr std::uint64_t pages = 5;
    std::uint64_t hole = 0;
    const auto word = [&](std::uint64_t page) {
        return reinterpret_cast<volatile std::uint64_t*>(hole + page * page_size);
    };
    {
        const auto upcalls = REQUIRE(Upcalls::install(map_there));
        hole = REQUIRE(make_hole(pages));
        for (std::uint64_t page = 0; page < pages; ++page) *word(page) = page + 1;
        asm volatile("" : : : "memory"); // the handler counted
        EXPECT_EQUAL(count, pages);
    }
    REQUIRE(user::protect(hole, pages * page_size, abi::access_none));
    {
        const auto upcalls = REQUIRE(Upcalls::install(allow_there));
        for (std::uint64_t page = 0; page < pages; ++page) EXPECT_EQUAL(*word(page), page + 1);
        EXPECT_EQUAL(count, 2 * pages);
    }
    REQUIRE(user::unmap(hole, pages * page_size));
}

bool give_answer(UpcallFrame& frame) {
    frame.rip += 2;
    frame.rax = 42;
    frame.r9 = frame.rbx + frame.r15;
    frame.rbx = 77;
    frame.rflags ^= 1; // carry
    frame.cs = 0x08;   // the kernel's: what stands here does not matter
    frame.ss = 0;
    return true;
}

void changed_registers() {
    const auto upcalls = REQUIRE(Upcalls::install(give_answer));
    std::uint64_t a = 1;
    std::uint64_t b = 40;
    std::uint64_t sum = 0;
    std::uint8_t carry = 0;
    asm volatile("movq $2, %%r15\n\tmovq $3, %%r9\n\tclc\n\tud2\n\tsetc %3\n\tmovq %%r9, %2"
                 : "+a"(a), "+b"(b), "=&r"(sum), "=&q"(carry)
                 :
                 : "r9", "r15", "cc");
    EXPECT_EQUAL(a, 42);
    EXPECT_EQUAL(b, 77);
    EXPECT_EQUAL(sum, 42);
    EXPECT_EQUAL(carry, 1);
}

/// Tries frames that the kernel must not take; each call comes back with its error.
bool try_bad_frames(UpcallFrame& frame) {
    const auto refused = [&](auto change, Error wanted, std::string_view what) {
        UpcallFrame bad = frame;
        change(bad);
        expect_code(user::system_call<user::Call::upcall_return>(&bad), wanted, what);
    };
    using enum Error;
    const auto flags = [&](std::uint64_t bits, std::string_view what) {
        refused([&](UpcallFrame& bad) { bad.rflags ^= bits; }, not_permitted, what);
    };
    flags(0x3000, "IOPL");
    flags(0x200, "IF");
    flags(0x2, "the bit that is one");
    flags(0x20000, "VM");
    flags(0x180000, "VIF, VIP");
    flags(1ULL << 40, "a bit that there is not");
    for (const std::uint64_t rip :
         {0x7fff'ffff'f000ULL, 0x8000'0000'0000ULL, 0xffff'8000'0000'0000ULL, ~0ULL})
        refused([&](UpcallFrame& bad) { bad.rip = rip; }, bad_address, "RIP");
    for (const std::uint64_t address : {0ULL, 0x7fff'ffff'f000ULL, 0xffff'8000'0000'0000ULL, ~7ULL})
        expect_code(user::system_call<user::Call::upcall_return>(address), bad_address, "a frame");
    return note_and_skip(frame);
}

void bad_registers_are_refused() {
    count = 0;
    step = 2;
    const auto upcalls = REQUIRE(Upcalls::install(try_bad_frames));
    asm volatile("ud2");
    EXPECT_EQUAL(count, 1);
}

std::array<std::uint64_t, 6> depths; ///< where the frames were

/// Faults itself until it is so deep.
bool nest(UpcallFrame& frame) {
    depths[count++] = reinterpret_cast<std::uint64_t>(&frame);
    if (count < depths.size()) asm volatile("ud2" : : : "memory");
    frame.rip += 2;
    return true;
}

void nested_faults() {
    for (int round = 0; round < 2; ++round) { // the stack is empty again afterwards
        count = 0;
        const auto upcalls = REQUIRE(Upcalls::install(nest));
        asm volatile("ud2" : : : "memory");
        EXPECT_EQUAL(count, depths.size());
        for (std::size_t i = 1; i < depths.size(); ++i) {
            EXPECT(depths[i] + sizeof(UpcallFrame) + abi::red_zone_bytes <= depths[i - 1]);
            EXPECT_EQUAL(depths[i] % 16, 0);
        }
    }
}

/// The kernel's own copies give errors, and come to no handler.
void bad_pointers_are_errors() {
    count = 0;
    const auto upcalls = REQUIRE(Upcalls::install(note_and_skip));
    const auto hole = REQUIRE(make_hole());
    EXPECT_CODE(user::system_call<user::Call::machine_info>(hole, 8), Error::bad_address);
    EXPECT_CODE(user::system_call<user::Call::machine_info>(0xffff'8000'0000'0000, 8),
                Error::bad_address);
    EXPECT_EQUAL(count, 0);
}

void settings_are_checked() {
    const auto page = REQUIRE(user::map(page_size));
    const VirtRange code = user::own_code();
    const std::uint64_t entry = code.start.value;
    const auto set = user::thread_upcalls;
    constexpr std::uint64_t end = 0x7fff'ffff'f000;
    EXPECT_ERROR(set(end, page, page_size, {}), Error::bad_address);
    EXPECT_ERROR(set(0xffff'8000'0000'0000, page, page_size, {}), Error::bad_address);
    EXPECT_ERROR(set(entry, 0xffff'8000'0000'0000, page_size, {}), Error::bad_address);
    EXPECT_ERROR(set(entry, page, ~0ULL, {}), Error::bad_address);
    EXPECT_ERROR(set(entry, 0, page_size, {}), Error::bad_address);
    EXPECT_ERROR(set(entry, end - page_size, 2 * page_size, {}), Error::bad_address);
    EXPECT_ERROR(set(entry, page, 0, {}), Error::invalid_argument);
    EXPECT_ERROR(set(entry, page, sizeof(UpcallFrame), {}), Error::invalid_argument);
    EXPECT_ERROR(set(0, 0, 0, code), Error::invalid_argument);
    EXPECT_ERROR(set(entry, page, page_size, {code.start, code.start + 1}),
                 Error::invalid_argument);
    EXPECT_ERROR(set(entry, page, page_size, {code.start, VirtAddr{~0ULL}}), Error::bad_address);
    EXPECT_OK(set(0, 0, 0, {})); // there was none
    REQUIRE(user::unmap(page, page_size));
}

/// None of it stays: the same again leaves memory as it was.
void nothing_is_lost() {
    const auto use = [] {
        count = 0;
        step = 2;
        const auto upcalls = REQUIRE(Upcalls::install(note_and_skip));
        asm volatile("ud2");
        EXPECT_EQUAL(count, 1);
    };
    use();
    const auto before = REQUIRE(settled_memory());
    for (int i = 0; i < 50; ++i) use();
    const auto after = REQUIRE(settled_memory(before));
    EXPECT_EQUAL(after.anonymous, before.anonymous);
    EXPECT_EQUAL(after.committed, before.committed);
    EXPECT_EQUAL(after.free, before.free);
}

constexpr Test tests[] = {
    {"page_faults", page_faults},
    {"other_exceptions", other_exceptions},
    {"single_steps", single_steps},
    {"repairs", repairs},
    {"changed_registers", changed_registers},
    {"bad_registers_are_refused", bad_registers_are_refused},
    {"nested_faults", nested_faults},
    {"bad_pointers_are_errors", bad_pointers_are_errors},
    {"settings_are_checked", settings_are_checked},
    {"nothing_is_lost", nothing_is_lost},
};

} // namespace

constinit const Suite upcalls_suite{"upcalls", tests};

} // namespace selftest
