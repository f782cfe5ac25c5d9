// SPDX-License-Identifier: MIT
// One run: CPUs take turns until all have ended.
#include "explorer/explorer.hpp"
#include "vm/lock.hpp"

#include <csetjmp>
#include <csignal>
#include <cstring>
#include <optional>

namespace explorer {

namespace {
sigjmp_buf judged;
} // namespace

Explorer* Explorer::current = nullptr;

/// While it exists, a pointer to nowhere fails the run: under a broken rule there may be some.
class Explorer::Crashes {
public:
    Crashes() {
        struct sigaction action{};
        action.sa_handler = [](int) {
            if (shim::Fiber::running() != current->scheduler_) current->end("a wild pointer");
            siglongjmp(judged, 1);
        };
        action.sa_flags = SA_NODEFER;
        sigaction(SIGSEGV, &action, &segment_);
        sigaction(SIGBUS, &action, &bus_);
    }
    ~Crashes() {
        sigaction(SIGSEGV, &segment_, nullptr);
        sigaction(SIGBUS, &bus_, nullptr);
    }
    Crashes(const Crashes&) = delete;
    Crashes& operator=(const Crashes&) = delete;

private:
    struct sigaction segment_{};
    struct sigaction bus_{};
};

Explorer::Explorer(shim::Machine& machine, vm::AddressSpace& space)
    : runs{&space, &space, &space}, machine_(machine), space_(space),
      caches_(machine.mmu().caches()) {
    if (current != nullptr) throw shim::ModelError("two explorers at once");
    // Pieces, and what lies on the heap, are made in place, which is no access that a watcher is
    // told of.
    for (const PhysRange& zone : machine.options().zones) {
        for (PhysAddr frame = zone.start; frame < zone.end; frame = frame + page_size) {
            const vm::FrameKind kind = vm::frame_record(frame).kind;
            if (kind != vm::FrameKind::descriptor && kind != vm::FrameKind::kernel) continue;
            keep(vm::direct(frame), page_size);
        }
    }
    current = this;
    shim::stepped = this;
    vm::watcher = watch;
}

void Explorer::keep(void* at, std::size_t bytes) {
    auto* const first = static_cast<std::byte*>(at);
    kept_.emplace_back(first, std::vector<std::byte>(first, first + bytes));
}

Explorer::~Explorer() {
    vm::watcher = nullptr;
    shim::stepped = nullptr;
    current = nullptr;
    shim::set_cpu(0);
}

void Explorer::in_fibers(const std::function<void()>& body) {
    std::optional<Crashes> crashes;
    if (saboteur != nullptr) {
        saboteur->meet(space_);
        crashes.emplace();
    }
    shim::Fiber::run([&] {
        scheduler_ = shim::Fiber::running();
        body();
    });
    for (Cpu& cpu : cpus_) cpu.fiber.reset();
}

void Explorer::begin() {
    words_.begin();
    machine_.mmu().put_back(caches_);
    for (unsigned cpu = 0; cpu < cpu_most; ++cpu) {
        cpus_[cpu] = {.fiber = std::move(cpus_[cpu].fiber),
                      .finished = cpu >= bodies.size(),
                      .answers = true};
        if (cpu < bodies.size() && cpus_[cpu].fiber == nullptr)
            cpus_[cpu].fiber = std::make_unique<shim::Fiber>([this, cpu] { be_cpu(cpu); });
        shim::set_cpu(cpu);
        vm::held_ranks() = {};
        late_[cpu].clear();
    }
    preemptions_ = 0;
    redundant_ = false;
    failed_ = false;
    turns_.clear();
    turn_ = 0;
    depth_ = 0;
    if (saboteur != nullptr) saboteur->begin();
}

void Explorer::be_cpu(unsigned cpu) {
    for (;;) {
        try {
            close_interrupts();
            bodies[cpu](cpu);
            open_interrupts();
        } catch (const std::exception& problem) {
            mode_ = Mode::off;
            fail(problem.what());
            abandon();
        }
        cpus_[cpu].finished = true;
        leave();
    }
}

/// Back to the scheduler, which goes on with somebody.
void Explorer::leave() {
    const unsigned self = running_;
    mode_ = Mode::off;
    if (saboteur != nullptr) {
        if (cpus_[self].finished) saboteur->after(self);
        saboteur->leaves(self);
    }
    scheduler_->resume();
}

/// The run ends amid an operation of the CPU that runs: its stack is of no use any more.
void Explorer::abandon() {
    mode_ = Mode::off;
    next_ = cpu_most;
    scheduler_->resume();
    std::terminate();
}

void Explorer::go_on(unsigned cpu) {
    running_ = cpu;
    shim::set_cpu(cpu);
    cpus_[cpu].waiting = Waiting::nothing;
    if (saboteur != nullptr) saboteur->comes(cpu);
    mode_ = Mode::stepping;
    cpus_[cpu].fiber->resume();
}

bool Explorer::enabled(const Cpu& cpu) const {
    if (cpu.finished) return false;
    if (cpu.waiting == Waiting::answers) return cpu.unanswered == 0;
    if (cpu.waiting == Waiting::nothing) return true;
    if (cpu.waiting == Waiting::others) {
        bool alone = true;
        for (const Cpu& other : cpus_) alone = alone && (&other == &cpu || other.finished);
        return alone || writes_of_others(cpu) != cpu.seen;
    }
    std::uint64_t now = 0;
    std::memcpy(&now, reinterpret_cast<const void*>(cpu.last.address), cpu.last.bytes);
    return now != cpu.seen;
}

std::uint64_t Explorer::writes_of_others(const Cpu& cpu) const {
    std::uint64_t writes = 0;
    for (const Cpu& other : cpus_)
        if (&other != &cpu) writes += other.writes;
    return writes;
}

unsigned Explorer::all_enabled() const {
    unsigned set = 0;
    for (unsigned cpu = 0; cpu < bodies.size(); ++cpu)
        if (enabled(cpus_[cpu])) set |= 1U << cpu;
    return set;
}

void Explorer::run() {
    begin();
    next_ = cpu_most;
    while (!failed_) {
        if (next_ == cpu_most) {
            if (all_enabled() == 0) break;
            next_ = choose(cpu_most, {});
            if (failed_) break;
        }
        const unsigned cpu = std::exchange(next_, cpu_most);
        go_on(cpu);
        if (failed_) break;
        turns_.push_back({cpu, next_ == cpu_most ? 0 : cpus_[cpu].steps});
    }
    shim::set_cpu(0);
    if (!failed_) {
        for (unsigned cpu = 0; cpu < bodies.size() && !failed_; ++cpu)
            if (!cpus_[cpu].finished) fail("deadlock");
    }
    ++statistics_.runs;
    for (const Cpu& cpu : cpus_) statistics_.steps += cpu.steps;
    if (redundant_) ++statistics_.redundant;
    if (!failed_ && !redundant_ && judge) {
        mode_ = Mode::saving;
        try {
            if (sigsetjmp(judged, 1) == 0)
                judge();
            else
                fail("a wild pointer in the map");
        } catch (const std::exception& problem) {
            fail(problem.what());
        }
        mode_ = Mode::off;
    }
    if (failed_) {
        if (saboteur != nullptr) saboteur->after(running_);
        for (unsigned cpu = 0; cpu < cpu_most; ++cpu) {
            cpus_[cpu].fiber.reset(); // amid something
            shim::set_cpu(cpu);
            vm::held_ranks() = {};
        }
        shim::set_cpu(0);
    }
    words_.undo();
    for (const auto& [at, bytes] : kept_) std::memcpy(at, bytes.data(), bytes.size());
}

void Explorer::fail(const std::string& what) {
    const Quiet quiet(*this);
    if (failed_) return;
    failed_ = true;
    Schedule schedule = turns_;
    if (running_ < bodies.size() && scheduler_ != shim::Fiber::running())
        schedule.push_back({running_, 0});
    failures_.push_back({what, schedule});
}

void Explorer::without_trace(const std::function<void()>& change) {
    words_.begin();
    mode_ = Mode::saving;
    change();
    mode_ = Mode::off;
    words_.undo();
    for (const auto& [at, bytes] : kept_) std::memcpy(at, bytes.data(), bytes.size());
    machine_.mmu().put_back(caches_);
}

void Explorer::replay(const Schedule& schedule,
                      std::function<void(unsigned, std::uint32_t, const MemoryAccess&)> trace) {
    switching_ = Switching::preemptive;
    given_ = &schedule;
    trace_ = std::move(trace);
    in_fibers([this] { run(); });
    given_ = nullptr;
    trace_ = {};
}

} // namespace explorer
