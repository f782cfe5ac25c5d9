// SPDX-License-Identifier: MIT
// A small xHCI controller for tests, written from the specification: registers, rings, contexts,
// ports. It reaches only memory that the driver asked for, and complains about what a real one
// would take amiss. Everything it does, it does at once.
#pragma once

#include "lib/xhci/host.hpp"
#include "shim/usb_device.hpp"

#include <array>
#include <map>
#include <memory>
#include <string>

namespace shim {

class XhciModel {
public:
    static constexpr std::uint8_t ports = 8; // 1 to 4 are USB 2, 5 to 8 USB 3

    // How it is made, and what is wrong with it. Set before the driver starts, or while it runs.
    std::uint32_t context_bytes = 32;
    std::uint32_t scratch_pages = 0;
    std::uint32_t window_bytes = 0x3000;
    bool reaches_all_memory = true;
    bool has_legacy = true;
    bool firmware_owns = true;
    bool firmware_lets_go = true;
    bool never_halts = false;
    bool reset_hangs = false;
    bool gone = false; ///< all registers read as ones
    bool controller_error = false;
    bool links_train = true; ///< of USB 3 ports; else only after a warm reset
    std::uint32_t port_speed_override = 0;
    /// Commands of this type are never answered.
    lib::xhci::TrbType ignored = lib::xhci::TrbType::none;
    /// So many commands are done at once; later ones wait until go_on().
    unsigned prompt_commands = ~0U;
    std::optional<std::uint8_t> slot_override; ///< what "enable slot" gives out
    std::size_t memory_limit = ~std::size_t{0};

    // What happened.
    std::vector<std::string> complaints;
    std::vector<std::string> lines; ///< logged, problems with a "!" in front
    std::vector<lib::KeyEvent> keys;
    std::map<std::uint8_t, unsigned> resets; ///< by port, warm ones included
    unsigned controller_resets = 0;
    std::size_t memory_taken = 0;

    lib::xhci::Host host();
    bool interrupting() const;
    bool slot_in_use(std::uint8_t slot) const { return slots_[slot].enabled; }
    unsigned slots_in_use() const;

    void plug(std::uint8_t port, UsbDevice& device);
    void unplug(std::uint8_t port);
    /// The port disables itself.
    void disable_port(std::uint8_t port);
    /// Does commands that wait, and all others at once.
    void go_on();
    /// Completes polls for which reports wait.
    void deliver();
    /// Puts an event into the ring as it stands.
    void post(lib::xhci::Trb event);
    void set_register(std::uint32_t offset, std::uint32_t value) { extra_[offset] = value; }
    std::uint32_t port_status(std::uint8_t port) const { return ports_[port].status; }

private:
    struct Port {
        std::uint32_t status = 0;
        UsbDevice* device = nullptr;
    };
    struct Endpoint {
        std::uint64_t dequeue = 0;
        bool cycle = true;
        bool enabled = false;
        bool halted = false;
        bool armed = false;
    };
    struct Slot {
        bool enabled = false;
        UsbDevice* device = nullptr;
        std::uint8_t port = 0;
        std::array<Endpoint, 32> endpoints{};
    };
    struct Block {
        std::unique_ptr<std::byte[], void (*)(std::byte*)> bytes;
        std::size_t size;
    };

    std::uint32_t read(std::uint32_t offset);
    void write(std::uint32_t offset, std::uint32_t value);
    void write_command(std::uint32_t value);
    void write_port(std::uint8_t port, std::uint32_t value);
    void reset();
    void port_event(std::uint8_t port, std::uint32_t change);
    Result<lib::xhci::DmaMemory> allocate(std::size_t bytes, bool below_4_gib);

    std::byte* memory(std::uint64_t physical, std::size_t bytes);
    std::uint32_t word(std::uint64_t physical);
    std::uint64_t address(std::uint64_t physical);
    std::optional<lib::xhci::Trb> next(std::uint64_t& at, bool& cycle, std::uint64_t& place);

    void run_commands();
    lib::xhci::Completion command(const lib::xhci::Trb& trb, std::uint8_t& slot);
    lib::xhci::Completion address_device(const lib::xhci::Trb& trb);
    lib::xhci::Completion configure(const lib::xhci::Trb& trb);
    void run_control(std::uint8_t slot);
    void run_reports(std::uint8_t slot, std::uint8_t endpoint);
    void transfer_event(std::uint8_t slot, std::uint8_t endpoint, std::uint64_t trb,
                        lib::xhci::Completion completion, std::uint32_t residue);
    bool complain(bool wrong, const char* what);

    std::map<std::uint64_t, Block> blocks_; // by physical address
    std::uint64_t next_physical_ = 0x1'2340'0000;
    std::uint64_t next_low_ = 0x40'0000;
    std::map<std::uint32_t, std::uint32_t> extra_;

    std::uint32_t command_ = 1; ///< the firmware lets it run
    std::uint32_t status_ = 0;
    std::uint32_t legacy_ = 0;
    std::uint32_t legacy_control_ = 0x0000'E011;
    std::uint32_t configured_slots_ = 0;
    std::uint64_t command_ring_ = 0;
    std::uint64_t contexts_ = 0;
    std::uint64_t segment_table_ = 0;
    std::uint64_t dequeue_ = 0;
    std::uint32_t management_ = 0;
    std::uint64_t command_at_ = 0;
    bool command_cycle_ = true;
    std::uint64_t event_index_ = 0;
    bool event_cycle_ = true;

    std::array<Port, ports + 1> ports_{};
    std::array<Slot, 256> slots_{};
};

} // namespace shim
