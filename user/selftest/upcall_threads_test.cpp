// SPDX-License-Identifier: MIT
// Upcalls and what is around them: registers of all kinds, threads, foreign code, and processes
// that get it wrong.
#include "user/lib/thread.hpp"
#include "user/selftest/child.hpp"
#include "user/selftest/framework.hpp"
#include "user/selftest/machine.hpp"
#include "user/selftest/upcall_cases.hpp"

#include <array>
#include <atomic>

namespace selftest {
namespace {

using abi::UpcallCause;
using user::UpcallFrame;
using user::Upcalls;

/// Overwrites every vector register, MXCSR and the x87 unit, and skips a UD2.
bool clobber(UpcallFrame& frame) {
    static constexpr std::uint32_t mode = 0x7f80;
    asm volatile(
#define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define FILL(n) "pcmpeqd %%xmm" #n ", %%xmm" #n "\n\t"
        ALL(FILL) "ldmxcsr %0\n\tfninit\n\tfldpi\n\tfldpi"
#undef FILL
        :
        : "m"(mode)
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
          "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    frame.rip += 2;
    return true;
}

bool keeps_vectors(std::uint64_t pattern) {
    std::array<std::uint64_t, 32> given{};
    std::array<std::uint64_t, 32> got{};
    for (std::size_t i = 0; i < given.size(); ++i) given[i] = pattern * (i + 1);
    constexpr std::uint32_t default_mode = 0x1f80;
    const std::uint32_t mode = default_mode | 0x2000; // rounds down
    std::uint32_t mode_got = 0;
    const std::uint64_t number = pattern & 0xffff'ffff;
    std::uint64_t number_got = 0;
    asm volatile(
#define LOAD(n) "movdqu " #n "*16(%3), %%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n ", " #n "*16(%4)\n\t"
        "ldmxcsr %5\n\tfildq %6\n\t" ALL(LOAD) "ud2\n\t" ALL(STORE) "fistpq %1\n\tstmxcsr %0\n\t"
                                                                    "ldmxcsr %2"
#undef LOAD
#undef STORE
#undef ALL
        : "=m"(mode_got), "=m"(number_got)
        : "m"(default_mode), "r"(given.data()), "r"(got.data()), "m"(mode), "m"(number)
        : "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
          "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    return given == got && mode == mode_got && number == number_got;
}

void vector_state_is_kept() {
    const auto upcalls = REQUIRE(Upcalls::install(clobber));
    for (std::uint64_t i = 1; i < 20; ++i) EXPECT(keeps_vectors(i * 0x0123'4567'89ab'cdef));
}

extern "C" const char selftest_raw_skip[];
/// Skips two bytes, and touches nothing but what it puts into the frame: rdi and rax are there.
asm(R"(
    .pushsection .text.selftest_raw_skip, "ax", @progbits
    .globl selftest_raw_skip
    .hidden selftest_raw_skip
selftest_raw_skip:
    addq $2, 136(%rsp)
    movq %rsp, %rdi
    movl $30, %eax
    syscall
    ud2
    .popsection
)");
static_assert(static_cast<unsigned>(abi::SystemCall::upcall_return) == 30);
static_assert(offsetof(UpcallFrame, rip) == 136);

/// A raw entry, too, leaves every register as it was.
void raw_handlers() {
    const auto upcalls = REQUIRE(Upcalls::install_raw(selftest_raw_skip));
    std::uint64_t rdi = 5;
    std::uint64_t rax = 6;
    std::uint64_t rcx = 7;
    std::uint64_t flags = 0;
    asm volatile("movq $11, %%r11\n\tmovq $15, %%r15\n\tstd\n\tstc\n\tud2\n\t"
                 "leaq -128(%%rsp), %%rsp\n\tpushfq\n\tpopq %3\n\tleaq 128(%%rsp), %%rsp\n\tcld\n\t"
                 "addq %%r11, %%rax\n\taddq %%r15, %%rdi"
                 : "+D"(rdi), "+a"(rax), "+c"(rcx), "=&r"(flags)
                 :
                 : "r11", "r15", "memory", "cc");
    EXPECT_EQUAL(rdi, 5 + 15);
    EXPECT_EQUAL(rax, 6 + 11);
    EXPECT_EQUAL(rcx, 7);
    EXPECT_EQUAL(flags & 0x401, 0x401); // DF, CF
}

/// Each thread's faults come to its own handler, in as many threads at once.
template <std::uint64_t answer>
bool answer_in_rax(UpcallFrame& frame) {
    frame.rax = answer;
    frame.rip += 2;
    return true;
}

template <std::uint64_t answer>
void fault_often(void* context) {
    auto& wrong = *static_cast<std::atomic<int>*>(context);
    const auto upcalls = Upcalls::install(answer_in_rax<answer>);
    if (!upcalls) {
        wrong.fetch_add(1);
        return;
    }
    for (int i = 0; i < 500; ++i) {
        std::uint64_t got = 0;
        asm volatile("ud2" : "+a"(got));
        if (got != answer) wrong.fetch_add(1);
        if (i % 16 == 0) user::yield();
    }
}

void every_thread_has_its_own() {
    std::atomic<int> wrong{0};
    auto a = REQUIRE(user::Thread::start(fault_often<11>, &wrong));
    auto b = REQUIRE(user::Thread::start(fault_often<22>, &wrong));
    fault_often<33>(&wrong);
    REQUIRE(a.join());
    REQUIRE(b.join());
    EXPECT_EQUAL(wrong.load(), 0);
}

unsigned foreign;

/// Serves another system's call: number 0x1234 adds two numbers.
bool serve(UpcallFrame& frame) {
    if (frame.cause != UpcallCause::foreign_call) return false;
    ++foreign;
    frame.rax = frame.rax == 0x1234 ? frame.rdi + frame.rsi + frame.r10 : ~0ULL;
    return user::process_id() != 0; // the runtime's own call, in the handler
}

/// mov %rdx, %r10; mov $0x1234, %eax; syscall; ret
constexpr unsigned char foreign_code[] = {0x49, 0x89, 0xd2, 0xb8, 0x34, 0x12,
                                          0x00, 0x00, 0x0f, 0x05, 0xc3};

void foreign_system_calls() {
    const auto page = REQUIRE(user::map(page_size));
    __builtin_memcpy(reinterpret_cast<void*>(page), foreign_code, sizeof foreign_code);
    REQUIRE(user::protect(page, page_size, abi::access_read | abi::access_execute));
    const auto add =
        reinterpret_cast<std::int64_t (*)(std::uint64_t, std::uint64_t, std::uint64_t)>(page);
    foreign = 0;
    EXPECT_EQUAL(add(1, 2, 3), -static_cast<std::int64_t>(Error::bad_system_call));
    {
        const auto upcalls = REQUIRE(Upcalls::install(serve, user::own_code()));
        for (std::uint64_t i = 0; i < 100; ++i) {
            EXPECT_EQUAL(add(i, 20, 300), i + 320);
            if (i % 8 == 0) user::yield(); // another thread, or CPU, knows nothing of it
        }
        EXPECT_EQUAL(foreign, 100);
        // The runtime's own calls reach the kernel, those that there are not as well.
        EXPECT_EQUAL(user::raw_system_call(0x1234),
                     -static_cast<std::int64_t>(Error::bad_system_call));
        // A thread begins without a handler, and without a runtime.
        const auto direct = [](void* context) {
            const auto code = reinterpret_cast<std::int64_t (*)()>(context);
            if (code() != -static_cast<std::int64_t>(Error::bad_system_call)) user::exit(1);
        };
        auto other = REQUIRE(user::Thread::start(direct, reinterpret_cast<void*>(page)));
        REQUIRE(other.join());
        EXPECT_EQUAL(foreign, 100);
    }
    EXPECT_EQUAL(add(1, 2, 3), -static_cast<std::int64_t>(Error::bad_system_call));
    EXPECT_EQUAL(foreign, 100);
    REQUIRE(user::unmap(page, page_size));
}

void wrong_processes_end() {
    EXPECT_EQUAL(REQUIRE(run_child({"upcall-decline"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"upcall-unmapped-stack"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"upcall-read-only-stack"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"upcall-unmapped-handler"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"upcall-fault-for-ever"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"upcall-deep-handler"})), fault_status);
    EXPECT_EQUAL(REQUIRE(run_child({"upcall-bad-return"})), user::status_failure);
}

/// Memory that was never promised, and is not there: the handler is told, and gives up the page.
void uncharged_memory_can_run_out() {
    const auto child = REQUIRE(start_child({"upcall-over-limit"}, {.memory_limit = 1'000}));
    EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), 0);
}

/// In a handler that never ends, or that faults again and again, it can be ended like any other.
void endless_handlers_can_be_killed() {
    for (const auto role : {"upcall-spin", "upcall-again", "upcall-sleep"}) {
        for (int round = 0; round < 2; ++round) {
            const auto before = REQUIRE(settled_memory());
            {
                const auto child = REQUIRE(start_child({role}));
                REQUIRE(user::sleep(10'000'000));
                EXPECT_EQUAL(REQUIRE(user::process_info(child.get())).exited, 0);
                REQUIRE(user::process_kill(child.get(), -77));
                EXPECT_EQUAL(REQUIRE(user::process_wait(child.get())), -77);
            }
            if (round == 0) continue; // what is made once is made then
            const auto after = REQUIRE(settled_memory(before));
            EXPECT_EQUAL(after.anonymous, before.anonymous);
            EXPECT_EQUAL(after.committed, before.committed);
        }
    }
}

constexpr Test tests[] = {
    {"vector_state_is_kept", vector_state_is_kept},
    {"raw_handlers", raw_handlers},
    {"every_thread_has_its_own", every_thread_has_its_own},
    {"foreign_system_calls", foreign_system_calls},
    {"wrong_processes_end", wrong_processes_end},
    {"uncharged_memory_can_run_out", uncharged_memory_can_run_out},
    {"endless_handlers_can_be_killed", endless_handlers_can_be_killed},
};

} // namespace

constinit const Suite upcall_threads_suite{"upcall-threads", tests};

} // namespace selftest
