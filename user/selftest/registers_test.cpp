// SPDX-License-Identifier: MIT
// Registers: what system calls and switches of threads must keep.
#include "user/lib/thread.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"

#include <array>
#include <atomic>

namespace selftest {
namespace {

/// All but rax, rcx and r11 are kept by a system call; flags too.
void system_calls_keep_registers() {
    struct Registers {
        std::uint64_t rbx, rdx, rsi, rdi, r8, r9, r10, r12, r13, r14, r15;
    };
    const Registers given{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
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
                 "movl $11, %%eax\n\tsyscall\n\t"
                 "popq %%rbp\n\t"
                 "movq %%rbx, 0(%%rbp)\n\tmovq %%rdx, 8(%%rbp)\n\tmovq %%rsi, 16(%%rbp)\n\t"
                 "movq %%rdi, 24(%%rbp)\n\tmovq %%r8, 32(%%rbp)\n\tmovq %%r9, 40(%%rbp)\n\t"
                 "movq %%r10, 48(%%rbp)\n\tmovq %%r12, 56(%%rbp)\n\tmovq %%r13, 64(%%rbp)\n\t"
                 "movq %%r14, 72(%%rbp)\n\tmovq %%r15, 80(%%rbp)\n\t"
                 "popq %%rbx\n\tpopq %%rbp\n\t"
                 "leaq 128(%%rsp), %%rsp"
                 : "+a"(seen_address), "+c"(given_address)
                 :
                 : "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                   "memory", "cc");
    static_assert(static_cast<unsigned>(abi::SystemCall::thread_sleep) == 11);
    EXPECT(__builtin_memcmp(&given, &seen, sizeof given) == 0);
}

/// Fills all vector registers with a pattern of its own, lets others run, and compares.
bool keeps_sse(std::uint64_t pattern) {
    std::array<std::uint64_t, 32> given{};
    std::array<std::uint64_t, 32> seen{};
    for (std::size_t i = 0; i < given.size(); ++i) given[i] = pattern * (i + 1);
    asm volatile(
#define LOAD(n) "movdqu " #n "*16(%0), %%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n ", " #n "*16(%1)\n\t"
#define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
        ALL(LOAD) "xorl %%edi, %%edi\n\tmovl $11, %%eax\n\tsyscall\n\t" ALL(STORE)
#undef LOAD
#undef STORE
        :
        : "r"(given.data()), "r"(seen.data())
        : "rax", "rcx", "rdi", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
          "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    return given == seen;
}

bool keeps_avx(std::uint64_t pattern) {
    std::array<std::uint64_t, 64> given{};
    std::array<std::uint64_t, 64> seen{};
    for (std::size_t i = 0; i < given.size(); ++i) given[i] = pattern * (i + 3);
    asm volatile(
#define LOAD(n) "vmovdqu " #n "*32(%0), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%1)\n\t"
        ALL(LOAD) "xorl %%edi, %%edi\n\tmovl $11, %%eax\n\tsyscall\n\t" ALL(STORE) "vzeroupper"
#undef LOAD
#undef STORE
#undef ALL
        :
        : "r"(given.data()), "r"(seen.data())
        : "rax", "rcx", "rdi", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
          "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    return given == seen;
}

/// Rounding modes of both units, and a value left on the x87 stack.
bool keeps_modes(std::uint64_t pattern) {
    const auto sse_mode = static_cast<std::uint32_t>(0x1f80 | ((pattern & 3) << 13));
    const auto x87_mode = static_cast<std::uint16_t>(0x037f | ((pattern & 3) << 10));
    std::uint32_t sse_seen = 0;
    std::uint16_t x87_seen = 0;
    std::uint64_t value = pattern & 0xffff'ffff;
    std::uint64_t value_seen = 0;
    asm volatile("ldmxcsr %3\n\tfldcw %4\n\tfildq %5\n\t"
                 "xorl %%edi, %%edi\n\tmovl $11, %%eax\n\tsyscall\n\t"
                 "fistpq %2\n\tstmxcsr %0\n\tfnstcw %1"
                 : "=m"(sse_seen), "=m"(x87_seen), "=m"(value_seen)
                 : "m"(sse_mode), "m"(x87_mode), "m"(value)
                 : "rax", "rcx", "rdi", "r11", "memory");
    constexpr std::uint32_t sse_default = 0x1f80;
    constexpr std::uint16_t x87_default = 0x037f;
    asm volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(sse_default), "m"(x87_default));
    return sse_seen == sse_mode && x87_seen == x87_mode && value_seen == value;
}

/// Runs `keeps` in three threads at once, each with a pattern of its own.
void in_threads(bool (*keeps)(std::uint64_t), std::string_view what) {
    struct Worker {
        bool (*keeps)(std::uint64_t);
        std::uint64_t pattern;
        std::atomic<int> lost{0};
    };
    std::array<Worker, 3> workers{{{keeps, 0x0123'4567'89ab'cdef},
                                   {keeps, 0xfedc'ba98'7654'3211},
                                   {keeps, 0x5555'aaaa'3333'ccc2}}};
    const auto work = [](void* context) {
        auto& self = *static_cast<Worker*>(context);
        for (int i = 0; i < 500; ++i) {
            if (!self.keeps(self.pattern)) self.lost.fetch_add(1);
        }
    };
    auto a = REQUIRE(user::Thread::start(work, &workers[0]));
    auto b = REQUIRE(user::Thread::start(work, &workers[1]));
    work(&workers[2]);
    REQUIRE(a.join());
    REQUIRE(b.join());
    for (const Worker& worker : workers) expect_equal(worker.lost.load(), 0, what);
}

void sse_state() { in_threads(keeps_sse, "SSE registers lost"); }
void avx_state() {
    if (has_avx()) in_threads(keeps_avx, "AVX registers lost");
}
void rounding_modes() { in_threads(keeps_modes, "modes lost"); }

/// A new process begins with clean vector registers, not with another's.
void vector_state_is_not_inherited() {
    std::array<std::uint64_t, 2> secret{0x5ec7e7, 0x5ec7e7};
    asm volatile("movdqu %0, %%xmm7" : : "m"(secret) : "xmm7");
    std::atomic<bool> clean{false};
    const auto look = [](void* context) {
        std::array<std::uint64_t, 2> seen{1, 1};
        asm volatile("movdqu %%xmm7, %0" : "=m"(seen));
        static_cast<std::atomic<bool>*>(context)->store(seen[0] == 0 && seen[1] == 0);
    };
    auto thread = REQUIRE(user::Thread::start(look, &clean));
    REQUIRE(thread.join());
    EXPECT(clean.load());
}

/// Preemption in the middle of arithmetic: sums of doubles come out the same.
void preempted_arithmetic() {
    const auto sum = [](std::uint64_t from) {
        double total = 0;
        for (std::uint64_t i = 0; i < 2'000'000; ++i) {
            total = total * 0.5 + static_cast<double>(from + i);
            asm volatile("" : "+x"(total));
        }
        return total;
    };
    const double wanted = sum(1);
    std::atomic<bool> stop{false};
    auto disturb = [&] {
        while (!stop.load()) (void)sum(77);
    };
    auto thread = REQUIRE(user::Thread::start(disturb));
    for (int i = 0; i < 10; ++i) EXPECT(sum(1) == wanted);
    stop.store(true);
    REQUIRE(thread.join());
}

void strange_flags() { EXPECT_EQUAL(REQUIRE(run_child({"strange-flags"})), 0); }

void segment_bases() {
    if (!has_fs_gs_base()) return;
    EXPECT_EQUAL(REQUIRE(run_child({"fs-base"})), 0);
    EXPECT_EQUAL(REQUIRE(run_child({"gs-base"})), 0);
}

constexpr Test tests[] = {
    {"system_calls_keep_registers", system_calls_keep_registers},
    {"sse_state", sse_state},
    {"avx_state", avx_state},
    {"rounding_modes", rounding_modes},
    {"vector_state_is_not_inherited", vector_state_is_not_inherited},
    {"preempted_arithmetic", preempted_arithmetic},
    {"strange_flags", strange_flags},
    {"segment_bases", segment_bases},
};

} // namespace

constinit const Suite registers_suite{"registers", tests};

} // namespace selftest
