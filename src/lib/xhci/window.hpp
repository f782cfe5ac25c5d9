// SPDX-License-Identifier: MIT
// The controller's register groups, found and bounded.
#pragma once

#include "lib/xhci/host.hpp"
#include "lib/xhci/registers.hpp"

namespace lib::xhci {

class Window {
public:
    /// Reads the capability registers. bad_format: the groups do not lie in the window, or nobody
    /// answers there.
    static Result<Window> open(const Host& host);

    std::uint8_t ports() const { return ports_; }
    std::uint8_t slots() const { return slots_; }
    std::uint32_t context_bytes() const { return context_bytes_; }
    std::uint32_t scratch_pages() const { return scratch_pages_; }
    bool reaches_all_memory() const { return reaches_all_; }
    bool switches_port_power() const { return port_power_; }

    /// Window offset of the extended capability `number` behind `after` (0: the first), or 0.
    std::uint32_t find_extended(std::uint32_t number, std::uint32_t after = 0) const;

    std::uint32_t read(std::uint32_t offset) const { return host_.read(host_.context, offset); }
    void write(std::uint32_t offset, std::uint32_t value) const {
        host_.write(host_.context, offset, value);
    }
    std::uint32_t read_operational(std::uint32_t offset) const {
        return read(operational_ + offset);
    }
    void write_operational(std::uint32_t offset, std::uint32_t value) const {
        write(operational_ + offset, value);
    }
    /// 64 bits, in two halves, low first (xHCI 1.2, 5.1).
    void write_operational_address(std::uint32_t offset, std::uint64_t value) const {
        write_address(operational_ + offset, value);
    }
    void write_runtime(std::uint32_t offset, std::uint32_t value) const {
        write(runtime_ + offset, value);
    }
    void write_runtime_address(std::uint32_t offset, std::uint64_t value) const {
        write_address(runtime_ + offset, value);
    }
    /// Port registers; ports count from 1. Precondition: at most ports().
    std::uint32_t read_port(std::uint8_t port) const { return read(port_offset(port)); }
    void write_port(std::uint8_t port, std::uint32_t value) const {
        write(port_offset(port), value);
    }
    /// Tells that there is something in a ring: slot 0 has the commands, 1 to slots() devices.
    void ring_doorbell(std::uint8_t slot, std::uint8_t endpoint) const {
        write(doorbells_ + 4U * slot, endpoint);
    }

private:
    explicit Window(const Host& host) : host_(host) {}
    std::uint32_t port_offset(std::uint8_t port) const {
        return operational_ + op_ports + op_port_bytes * (port - 1U);
    }
    void write_address(std::uint32_t offset, std::uint64_t value) const {
        write(offset, static_cast<std::uint32_t>(value));
        write(offset + 4, static_cast<std::uint32_t>(value >> 32));
    }
    bool within(std::uint64_t offset, std::uint64_t bytes) const {
        return offset + bytes <= host_.window_bytes;
    }

    Host host_;
    std::uint32_t operational_ = 0;
    std::uint32_t runtime_ = 0;
    std::uint32_t doorbells_ = 0;
    std::uint32_t extended_ = 0;
    std::uint32_t context_bytes_ = 32;
    std::uint32_t scratch_pages_ = 0;
    std::uint8_t ports_ = 0;
    std::uint8_t slots_ = 0;
    bool reaches_all_ = false;
    bool port_power_ = false;
};

} // namespace lib::xhci
