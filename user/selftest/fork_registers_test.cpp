// SPDX-License-Identifier: MIT
// Fork: the registers of the thread that goes on in the copy.
#include "user/selftest/fork_cases.hpp"
#include "user/selftest/machine.hpp"

#include <array>
#include <cstddef>

namespace selftest {
namespace {

static_assert(static_cast<unsigned>(abi::SystemCall::fork) == 31, "in the assembly below");

/// After a fork in assembly: both sides have `kept`; the copy ends with it.
void join_copy(std::uint64_t result, bool kept) {
    if (result == 0) user::exit(kept ? user::status_success : user::status_failure);
    EXPECT(kept);
    const user::OwnedHandle child(REQUIRE(user::checked(static_cast<std::int64_t>(result))));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

} // namespace

/// All but rax, rcx and r11; and the flags: carry and direction.
void registers_are_kept() {
    struct Registers {
        std::uint64_t rbx, rdx, rsi, rdi, r8, r9, r10, r12, r13, r14, r15;
        std::uint64_t result, flags;
    };
    const Registers given{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 0};
    Registers seen{};
    auto* seen_address = &seen;
    const auto* given_address = &given;
    asm volatile("leaq -128(%%rsp), %%rsp\n\t" // the compiler may keep values below the stack's end
                 "pushq %%rbp\n\tpushq %%rbx\n\tpushq %%rax\n\t"
                 "movq %%rcx, %%rbp\n\t"
                 "movq 0(%%rbp), %%rbx\n\tmovq 8(%%rbp), %%rdx\n\tmovq 16(%%rbp), %%rsi\n\t"
                 "movq 24(%%rbp), %%rdi\n\tmovq 32(%%rbp), %%r8\n\tmovq 40(%%rbp), %%r9\n\t"
                 "movq 48(%%rbp), %%r10\n\tmovq 56(%%rbp), %%r12\n\tmovq 64(%%rbp), %%r13\n\t"
                 "movq 72(%%rbp), %%r14\n\tmovq 80(%%rbp), %%r15\n\t"
                 "movl $31, %%eax\n\tstd\n\tstc\n\tsyscall\n\tpushfq\n\tpopq %%rcx\n\tcld\n\t"
                 "popq %%rbp\n\t"
                 "movq %%rbx, 0(%%rbp)\n\tmovq %%rdx, 8(%%rbp)\n\tmovq %%rsi, 16(%%rbp)\n\t"
                 "movq %%rdi, 24(%%rbp)\n\tmovq %%r8, 32(%%rbp)\n\tmovq %%r9, 40(%%rbp)\n\t"
                 "movq %%r10, 48(%%rbp)\n\tmovq %%r12, 56(%%rbp)\n\tmovq %%r13, 64(%%rbp)\n\t"
                 "movq %%r14, 72(%%rbp)\n\tmovq %%r15, 80(%%rbp)\n\t"
                 "movq %%rax, 88(%%rbp)\n\tmovq %%rcx, 96(%%rbp)\n\t"
                 "popq %%rbx\n\tpopq %%rbp\n\t"
                 "leaq 128(%%rsp), %%rsp"
                 : "+a"(seen_address), "+c"(given_address)
                 :
                 : "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                   "memory", "cc");
    constexpr std::uint64_t carry_and_direction = 0x401;
    join_copy(seen.result, __builtin_memcmp(&given, &seen, offsetof(Registers, result)) == 0 &&
                               (seen.flags & carry_and_direction) == carry_and_direction);
}

namespace {

#define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define ALL_XMM                                                                                    \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/// SSE registers, the modes of both units, and a value left on the x87 stack.
void fork_with_sse() {
    std::array<std::uint64_t, 32> given{};
    std::array<std::uint64_t, 32> seen{};
    for (std::size_t i = 0; i < given.size(); ++i) given[i] = 0x0123'4567'89ab'cdef * (i + 1);
    const std::uint32_t sse_mode = 0x5f80;
    const std::uint16_t x87_mode = 0x0b7f;
    const std::uint64_t value = 0x1234'5678;
    std::uint32_t sse_seen = 0;
    std::uint16_t x87_seen = 0;
    std::uint64_t value_seen = 0;
    std::uint64_t result = 31;
    asm volatile(
#define LOAD(n) "movdqu " #n "*16(%4), %%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n ", " #n "*16(%5)\n\t"
        "ldmxcsr %6\n\tfldcw %7\n\tfildq %8\n\t" ALL(LOAD) "syscall\n\t" ALL(
            STORE) "fistpq %3\n\tstmxcsr %1\n\tfnstcw %2"
#undef LOAD
#undef STORE
        : "+a"(result), "=m"(sse_seen), "=m"(x87_seen), "=m"(value_seen)
        : "r"(given.data()), "r"(seen.data()), "m"(sse_mode), "m"(x87_mode), "m"(value)
        : "rcx", "r11", "memory", ALL_XMM);
    constexpr std::uint32_t sse_default = 0x1f80;
    constexpr std::uint16_t x87_default = 0x037f;
    asm volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(sse_default), "m"(x87_default));
    join_copy(result,
              given == seen && sse_seen == sse_mode && x87_seen == x87_mode && value_seen == value);
}

void fork_with_avx() {
    std::array<std::uint64_t, 64> given{};
    std::array<std::uint64_t, 64> seen{};
    for (std::size_t i = 0; i < given.size(); ++i) given[i] = 0xfedc'ba98'7654'3211 * (i + 3);
    std::uint64_t result = 31;
    asm volatile(
#define LOAD(n) "vmovdqu " #n "*32(%1), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%2)\n\t"
        ALL(LOAD) "syscall\n\t" ALL(STORE) "vzeroupper"
#undef LOAD
#undef STORE
        : "+a"(result)
        : "r"(given.data()), "r"(seen.data())
        : "rcx", "r11", "memory", ALL_XMM);
    join_copy(result, given == seen);
}
#undef ALL
#undef ALL_XMM

} // namespace

void vector_registers_are_kept() {
    for (int i = 0; i < 3; ++i) {
        fork_with_sse();
        if (has_avx()) fork_with_avx();
        user::yield(); // saved and loaded between the rounds
    }
}

void segment_bases_are_kept() {
    if (!has_fs_gs_base()) return;
    constexpr std::uint64_t fs = 0x1234'5678'9000;
    constexpr std::uint64_t gs = 0xffff'8000'0000'0000;
    asm volatile("wrfsbase %0\n\twrgsbase %1" : : "r"(fs), "r"(gs));
    const auto result = user::system_call<user::Call::fork>();
    std::uint64_t fs_seen = 0;
    std::uint64_t gs_seen = 0;
    asm volatile("rdfsbase %0\n\trdgsbase %1" : "=r"(fs_seen), "=r"(gs_seen));
    join_copy(static_cast<std::uint64_t>(result), fs_seen == fs && gs_seen == gs);
    asm volatile("wrfsbase %0\n\twrgsbase %0" : : "r"(0ULL));
}

} // namespace selftest
