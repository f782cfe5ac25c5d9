// SPDX-License-Identifier: MIT
// A driver of one xHCI host controller, for keyboards that speak the boot protocol on its own
// ports. It never waits: whatever takes time is looked at again when an interrupt comes or when it
// is due. So it needs no thread, and no lock: its owner calls one function at a time.
//
//   take over from the firmware -> halt -> reset -> run
//   port:    connected -> settled -> reset -> recovered -> device
//   device:  slot -> address -> descriptors -> endpoint -> configuration -> reports
//
// Devices are not trusted: what they say is checked, what they leave unanswered times out, and
// after a few attempts their port is switched off.
#pragma once

#include "lib/format.hpp"
#include "lib/xhci/device.hpp"
#include "lib/xhci/window.hpp"

#include <array>
#include <optional>

namespace lib::xhci {

class Controller {
public:
    /// Keyboards at once, those included that are being looked at.
    static constexpr std::size_t device_limit = 8;

    explicit Controller(const Host& host) : host_(host) {}
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

    /// Begins. What fails is logged, and then the controller is left alone. Called once.
    void start(Nanoseconds now);
    /// Handles what happened and what is due. Called after an interrupt and at due(); more often
    /// does no harm. Errors are logged.
    void service(Nanoseconds now);
    /// When service() has to be called, should no interrupt come before; or never.
    Nanoseconds due() const { return due_; }
    /// Which lights (usb::light_report) all keyboards are to show; sent by the next service().
    void set_lights(std::uint8_t lights) { lights_ = lights; }

    bool running() const { return phase_ == Phase::running; }
    /// Given up, for good.
    bool dead() const { return phase_ == Phase::dead; }
    std::size_t keyboards() const;
    /// Whether devices are on their way, or the controller itself is: neither used nor refused.
    bool busy() const;

private:
    enum class Phase : std::uint8_t { off, taking_over, halting, resetting, running, dead };
    enum class PortState : std::uint8_t { empty, settling, resetting, recovering, used, refused };
    struct Port {
        PortState state = PortState::empty;
        bool usb3 = false;
        bool banned = false; ///< brought the controller to a halt; refused for ever
        std::uint8_t attempts = 0;
        Nanoseconds until = never;
    };

    // start.cpp: from the firmware's hands to a running controller.
    void find_usb3_ports();
    void take_over();
    void leave_firmware();
    void halt();
    void enter(Phase phase, Nanoseconds patience);
    bool advance();
    void set_up();
    Result<void> allocate();
    Result<void> allocate_scratch(std::uint32_t page_bytes);
    void release();
    void program();
    void restart(std::string_view why);
    void die(std::string_view why);
    void forget_devices();

    // service.cpp: events, time limits, commands.
    void run();
    void take_events();
    void take_command_event(const Trb& event);
    void take_transfer_event(const Trb& event);
    void check_times();
    void submit(Device& device, const Trb& command);
    void issue_command();
    Nanoseconds next_due() const;

    // ports.cpp
    void check_port(std::uint8_t number);
    void advance_port(std::uint8_t number, std::uint32_t status);
    void reset_port(std::uint8_t number, std::uint32_t status);
    void start_device(std::uint8_t number, std::uint32_t status);
    void retry_port(std::uint8_t number, std::string_view what, std::string_view why);
    void refuse_port(std::uint8_t number);
    Device* device_of_port(std::uint8_t number);

    // device.cpp: one step after the other.
    void begin(Device& device, Step step);
    void begin_address(Device& device);
    void transfer(Device& device, const usb::Setup& setup);
    void take_control_event(Device& device, const Trb& event);
    void finish(Device& device, Completion completion);
    void succeed(Device& device);
    void read_device_start(Device& device);
    void read_device(Device& device);
    void read_configuration(Device& device);
    void fail(Device& device, std::string_view why);
    void leave(Device& device);

    // reports.cpp: a keyboard at work.
    void work(Device& device);
    void ask_report(Device& device);
    void take_report_event(Device& device, const Trb& event);
    void recover(Device& device, std::uint8_t endpoint, Step resume);
    usb::KeySink sink() const { return {host_.key, host_.context}; }

    template <typename... Arguments>
    void log(Weight weight, FormatText<std::type_identity_t<Arguments>...> text,
             const Arguments&... arguments) const {
        FixedText<120> line;
        line.format(text, arguments...);
        host_.log(host_.context, weight, line.view());
    }
    const Window& window() const { return *window_; }

    Host host_;
    std::optional<Window> window_;
    Phase phase_ = Phase::off;
    std::uint8_t restarts_ = 0;
    std::uint8_t lights_ = 0;
    std::uint32_t legacy_ = 0; ///< offset of the firmware's hand-over registers; 0: none
    Nanoseconds now_ = 0;
    Nanoseconds patience_ = never; ///< end of the phase, if nothing happens
    Nanoseconds due_ = never;
    bool more_events_ = false;

    DmaMemory base_;          ///< contexts' addresses, command ring, segment table; then events
    DmaMemory scratch_index_; ///< addresses of the controller's own memory
    DmaMemory scratch_;
    ProducerRing commands_;
    EventRing events_;

    Device* commanding_ = nullptr; ///< whose command is under way
    std::uint64_t command_trb_ = 0;
    Nanoseconds command_until_ = never;
    std::size_t last_commanding_ = 0;

    std::array<Device, device_limit> devices_{};
    std::array<Port, 256> ports_{}; ///< from 1
};

} // namespace lib::xhci
