// SPDX-License-Identifier: MIT
// CPUs as host threads. Who flushes asks each CPU that runs the space and waits for its answer:
//
//   who asks: fills its request ─► its bit into `askers` of each ─► waits until all have answered
//   who is asked: takes the bits ─► drops from its TLB what the request says ─► answers
#include "shim/parallel.hpp"

#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

namespace shim {

namespace {

constexpr std::chrono::minutes patience{4};

struct alignas(64) FlushOrder {
    Mmu::Flush flush{};
    std::atomic<unsigned> unanswered{0};
};
struct alignas(64) Mailbox {
    vm::CpuSet askers;
};
FlushOrder requests[vm::port::cpu_limit];
Mailbox mailboxes[vm::port::cpu_limit];

/// One run_parallel.
struct Run {
    std::atomic<unsigned> to_come;
    std::atomic<bool> stopping{false};
    std::mutex mutex{};
    std::string complaints{}; ///< under the mutex

    void note(const std::string& what) {
        const std::lock_guard guard(mutex);
        complaints += what + "\n";
        stopping = true;
    }
};
/// Thrown where a CPU waits, or between two operations, once another has failed.
struct Stopped {};

thread_local Run* run = nullptr;
thread_local std::chrono::steady_clock::time_point since;

void answer_flushes() {
    Mmu& mmu = Machine::current().mmu();
    const unsigned self = vm::port::cpu();
    mailboxes[self].askers.take_all([&](unsigned asker) {
        FlushOrder& request = requests[asker];
        mmu.flush(self, request.flush);
        request.unanswered.fetch_sub(1, std::memory_order_release);
    });
}

void stop_if_told() {
    if (run->stopping) throw Stopped{};
}

void be_cpu(Run& whole, unsigned cpu, const std::function<void(unsigned)>& body) {
    set_cpu(cpu);
    run = &whole;
    since = std::chrono::steady_clock::now();
    vm::CpuSet& kernel = vm::kernel_space().translations().running;
    kernel.add(cpu);
    --whole.to_come;
    while (whole.to_come != 0) std::this_thread::yield(); // all begin together
    try {
        body(cpu);
    } catch (const Stopped&) {
        // Another has said why.
    } catch (const std::exception& problem) {
        whole.note("CPU " + std::to_string(cpu) + ": " + problem.what());
    }
    kernel.remove(cpu);
    run = nullptr;
}

} // namespace

std::string run_parallel(Machine& machine, unsigned count,
                         const std::function<void(unsigned cpu)>& body) {
    if (count > machine.options().cpus) throw ModelError("more CPUs than the machine has");
    Run whole{.to_come = count};
    std::atomic<unsigned> left{count};
    std::vector<std::thread> threads;
    for (unsigned cpu = 0; cpu < count; ++cpu) {
        threads.emplace_back([&, cpu] {
            be_cpu(whole, cpu, body);
            --left;
            // Whoever saw it in a set before it left may still ask.
            while (left != 0) {
                answer_flushes();
                std::this_thread::yield();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    return whole.complaints;
}

void take_interrupts() {
    since = std::chrono::steady_clock::now();
    stop_if_told();
    answer_flushes();
}

void pause_cpu() { spin_parallel(); }

void complain(const std::string& what) { throw ModelError(what); }

Running::Running(vm::AddressSpace& space) : space_(space) {
    const unsigned cpu = vm::port::cpu();
    space.translations().running.add(cpu);
    Machine::current().mmu().load_root(cpu, space.user_root().value);
}

Running::~Running() {
    const unsigned cpu = vm::port::cpu();
    Machine& machine = Machine::current();
    machine.mmu().load_root(cpu, machine.kernel_root().value);
    space_.translations().running.remove(cpu);
}

namespace {

/// The word that the access reached. No flush is answered between the walk and its use.
std::optional<std::atomic_ref<std::uint64_t>>
reach(vm::AddressSpace& space, VirtAddr address, Operation operation, vm::Resolution& resolution) {
    const Machine::Touch touched = Machine::current().touch(space, address, operation);
    resolution = touched.resolution;
    if (resolution != vm::Resolution::resolved) return std::nullopt;
    if (!Arena::the().contains(touched.physical, 8)) throw ModelError("a frame of nothing");
    void* const word = Arena::the().host(PhysAddr{touched.physical});
    return std::atomic_ref(*static_cast<std::uint64_t*>(word));
}

} // namespace

vm::Resolution store_word(vm::AddressSpace& space, VirtAddr address, std::uint64_t value) {
    vm::Resolution resolution{};
    if (const auto word = reach(space, address, Operation::write, resolution))
        word->store(value, std::memory_order_relaxed);
    return resolution;
}

std::optional<std::uint64_t> load_word(vm::AddressSpace& space, VirtAddr address) {
    vm::Resolution resolution{};
    const auto word = reach(space, address, Operation::read, resolution);
    return word ? std::optional(word->load(std::memory_order_relaxed)) : std::nullopt;
}

bool is_parallel() { return run != nullptr; }

void flush_parallel(const vm::port::FlushRequest& asked) {
    Mmu& mmu = Machine::current().mmu();
    const unsigned self = vm::port::cpu();
    vm::Translations& translations = asked.space->translations();
    static_cast<void>(translations.count_change());
    FlushOrder& request = requests[self];
    request.flush = {.root = asked.space->is_kernel() ? 0 : asked.space->user_root().value,
                     .ranges = {{asked.range.start.value, asked.range.end.value}},
                     .everything = false,
                     .tables = asked.tables};
    request.unanswered = 1; // counted before it is told, so that no early answer ends the wait
    mmu.flush(self, request.flush);
    translations.running.for_each([&](unsigned cpu) {
        if (cpu == self) return;
        ++request.unanswered;
        mailboxes[cpu].askers.add(self);
    });
    --request.unanswered;
    while (request.unanswered.load(std::memory_order_acquire) != 0) spin_parallel();
}

void spin_parallel() {
    answer_flushes();
    stop_if_told();
    std::this_thread::yield();
    if (std::chrono::steady_clock::now() - since > patience) throw ModelError("waits for ever");
}

} // namespace shim
