// SPDX-License-Identifier: MIT
// The explorer: CPUs as fibers of one thread that run one at a time, and may be stopped before any
// access to a word that another CPU uses too. It runs the same start again and again, under all
// schedules with a bounded number of preemptions.
//
//   step         an access to shared memory (vm/atomic.hpp), an entry read by the modelled MMU, a
//                flush asked of one CPU, the data access of a user instruction
//   point        before a step whose word several CPUs use and one writes: here a CPU may be
//                preempted
//   boundary     between two user instructions: here a CPU answers flushes
//
// A CPU that waits (vm::port::spin_wait) goes on when the word that it read last has changed; if it
// wrote last, for instance gave a lock up under which it saw that it must wait, when another CPU
// has written something, or all others have ended.
#pragma once

#include "explorer/schedule.hpp"
#include "explorer/words.hpp"
#include "shim/fiber.hpp"
#include "shim/machine.hpp"
#include "shim/stepped.hpp"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace explorer {

inline constexpr unsigned cpu_most = 3;

/// Where CPUs are switched.
enum class Switching : std::uint8_t {
    preemptive,    ///< at points, up to a bound; freely where a CPU waits or ends
    at_boundaries, ///< there only, without a bound: operations one at a time
};

/// What a rule of the map's protocol that is broken does to single steps: see sabotage.hpp.
class Saboteur {
public:
    virtual ~Saboteur() = default;
    /// What it is about.
    virtual void meet(vm::AddressSpace&) {}
    /// A run begins.
    virtual void begin() {}
    /// The running CPU is about to take this step; nobody else runs until `after`.
    virtual void before(unsigned, const MemoryAccess&, vm::Step) {}
    /// It has taken it.
    virtual void after(unsigned) {}
    /// Another CPU runs from here on, or none any more.
    virtual void leaves(unsigned) {}
    virtual void comes(unsigned) {}

    bool flushes = true;        ///< a flush reaches CPUs at all
    bool flush_waits = true;    ///< until all have answered
    bool flushes_tables = true; ///< cached references to tables too
    bool lets_go_first = true;  ///< a CPU answers only where it keeps no pointer
    /// When a flush is done: when it is asked for, or once the table locks are given up, or once
    /// the operation has ended.
    enum class When : std::uint8_t { asked, unlocked, ended } flush_when = When::asked;
};

/// How a run ended.
struct Failure {
    std::string what;
    Schedule schedule;
};

struct Statistics {
    std::uint64_t runs = 0;      ///< schedules
    std::uint64_t redundant = 0; ///< of these, cut short: another one has the same steps
    std::uint64_t steps = 0;
    std::size_t points = 0; ///< words before whose accesses CPUs may be preempted
};

class Explorer final : shim::Stepped {
public:
    Explorer(shim::Machine& machine, vm::AddressSpace& space);
    ~Explorer();
    Explorer(const Explorer&) = delete;
    Explorer& operator=(const Explorer&) = delete;

    /// What a CPU does. It keeps nothing on its stack that needs a destructor.
    using Body = std::function<void(unsigned cpu)>;
    std::vector<Body> bodies;
    /// Called after each run that is none of the redundant ones; it may change the space, and may
    /// call `fail`.
    std::function<void()> judge;
    Saboteur* saboteur = nullptr;
    /// Otherwise every step is a point, and nobody sleeps: to see that nothing is lost by it.
    bool reduces = true;

    /// Runs all schedules, until one fails. Again and again until no run shows a new common word.
    Statistics explore(Switching switching, unsigned preemptions);
    /// Runs one. With `trace`, that is called before each step.
    void
    replay(const Schedule& schedule,
           std::function<void(unsigned cpu, std::uint32_t step, const MemoryAccess&)> trace = {});

    const std::vector<Failure>& failures() const { return failures_; }
    /// Of the run that has just ended.
    const Schedule& schedule() const { return turns_; }
    std::uint64_t state() const { return words_.changes(); }
    Words& words() { return words_; }
    /// What a body may change without a step, and which is put back after each run.
    void keep(void* at, std::size_t bytes);
    /// Which space each CPU runs, when it is not the one that this was made for.
    std::array<vm::AddressSpace*, cpu_most> runs;
    /// Changes memory as a body would, in no order with anything, and puts it back.
    void without_trace(const std::function<void()>& change);

    // ---- for bodies ----------------------------------------------------------------------------

    /// Between two user instructions: flushes are answered.
    void boundary();
    /// An instruction's access to 8 bytes of user memory; it takes faults. With none, a write.
    struct Instruction {
        VirtAddr address;
        shim::Operation operation;
        std::uint64_t value = 0;
    };
    struct Done {
        vm::Resolution resolution;
        std::uint64_t value; ///< read
    };
    Done user(const Instruction& instruction);
    /// The run is wrong.
    void fail(const std::string& what);
    Switching switching() const { return switching_; }
    /// The step that a CPU takes next, or took last.
    std::uint32_t step_of(unsigned cpu) const { return cpus_[cpu].steps; }

private:
    enum class Mode : std::uint8_t {
        off,     ///< nobody is told of accesses
        saving,  ///< they are kept for `undo`
        stepping ///< they are steps
    };
    enum class Waiting : std::uint8_t { nothing, word, others, answers };
    struct Cpu {
        std::unique_ptr<shim::Fiber> fiber;
        bool finished = false;
        bool answers = false; ///< is where it answers flushes
        Waiting waiting = Waiting::nothing;
        MemoryAccess last{};      ///< step
        bool last_writes = false; ///< and reads nothing
        std::uint64_t seen = 0;   ///< value of the word that it waits for, or others' writes
        unsigned unanswered = 0;
        bool unlocked = false; ///< with a flush that is late: a step was taken without table locks
        std::uint32_t steps = 0;
        std::uint32_t writes = 0; ///< of these, to memory
        bool asleep = false;      ///< see search.cpp
        MemoryAccess next{};      ///< asleep: the step that it is about to take
        std::vector<std::pair<unsigned, shim::Mmu::Flush>> asked{};
    };
    /// A choice of who runs, on the way of the schedule that is run.
    struct Node {
        unsigned cpu; ///< that ran; cpu_most: none
        std::uint32_t step;
        unsigned options; ///< a bit each
        unsigned tried;
        unsigned chosen;
    };
    class Quiet;
    class Crashes;
    static constexpr std::uint32_t step_limit = 200'000;

    // vm::port's
    void wait() override;
    void flush(const vm::port::FlushRequest& request) override;
    [[noreturn]] void panic(const std::string& what) override;
    void walks(const std::uint64_t* entry) override;

    static Explorer* current;
    static void watch(const volatile void* address, std::size_t bytes, vm::Step step);
    void step(const MemoryAccess& access, vm::Step kind);
    void save(const MemoryAccess& access);
    void step_mailbox(unsigned cpu);
    void check(const MemoryAccess& access);
    [[noreturn]] void end(const std::string& what);
    void open_interrupts();
    void close_interrupts();
    void ask(unsigned cpu, const shim::Mmu::Flush& flush);
    void answer(unsigned cpu);
    void wait_for_answers();
    void flush_now(const vm::port::FlushRequest& request, bool locked);
    void flush_late();

    // run.cpp: one schedule
    void run();
    void begin();
    void be_cpu(unsigned cpu);
    void leave();
    [[noreturn]] void abandon();
    void go_on(unsigned cpu);
    bool enabled(const Cpu& cpu) const;
    /// Writes to memory of all CPUs but one.
    std::uint64_t writes_of_others(const Cpu& cpu) const;
    unsigned all_enabled() const;
    void in_fibers(const std::function<void()>& body);

    // search.cpp: which ones
    void search();
    void point(const MemoryAccess& access);
    unsigned choose(unsigned running, const MemoryAccess& access);
    unsigned choose_of(unsigned running, unsigned options);
    unsigned replayed(unsigned running);
    bool backtrack();

    shim::Machine& machine_;
    vm::AddressSpace& space_;
    Words words_;
    shim::Mmu::Caches caches_;
    std::vector<std::pair<void*, std::vector<std::byte>>> kept_; ///< changed without being told of
    std::array<Cpu, cpu_most> cpus_;
    std::array<std::uint64_t, cpu_most> mailboxes_{}; ///< what flush requests count as access to
    std::array<std::vector<vm::port::FlushRequest>, cpu_most> late_; ///< for Saboteur
    shim::Fiber* scheduler_ = nullptr;
    Mode mode_ = Mode::off;
    /// The instruction whose walk is under way: its entries are steps.
    const Instruction* walking_ = nullptr;
    bool user_ = false; ///< the step is that of a user instruction
    Switching switching_ = Switching::preemptive;
    unsigned bound_ = 0;

    unsigned running_ = 0;
    unsigned next_ = cpu_most; ///< who was chosen when the running CPU was stopped; or none
    unsigned preemptions_ = 0;
    bool redundant_ = false; ///< no choice is made any more
    bool failed_ = false;
    Schedule turns_;
    const Schedule* given_ = nullptr;
    std::size_t turn_ = 0; ///< of `given_`
    std::function<void(unsigned, std::uint32_t, const MemoryAccess&)> trace_;
    std::vector<Node> path_;
    std::size_t depth_ = 0;
    Statistics statistics_{};
    std::vector<Failure> failures_;
};

/// While it exists, nobody is told of accesses.
class Explorer::Quiet {
public:
    explicit Quiet(Explorer& owner) : owner_(owner), before_(owner.mode_) {
        owner.mode_ = Mode::off;
    }
    ~Quiet() { owner_.mode_ = before_; }
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;

private:
    Explorer& owner_;
    const Mode before_;
};

} // namespace explorer
