//! Whatever the model can say survives the wire, and whatever the wire says is checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use drawloom_model::{
    ActorKind, ActorPart, ActorRef, ActorSpec, AfterStop, AssignedInput, Assignment, AttemptEnd,
    AttemptId, Attribute, Backoff, CallSpec, Capacity, Constraints, CudaArgument, CudaScalar,
    CudaSource, CudaSpec, CudaValue, DType, Demand, DeviceCapacity, DeviceIndex, DeviceInfo,
    DeviceLink, DeviceUsage, ExecutorInfo, Expression, Failure, FailureKind, FromExecutor, Gang,
    GangStrategy, GpuRequest, Input, InputSource, JobId, JobKey, KernelCall, LabelOperator,
    LabelRequirement, Lifetime, LinkKind, Literal, NamedOutput, NumaNode, ObjectId, ObjectKey,
    ObjectReport, ObjectType, Outcome, ProcessInput, ProcessOutput, ProcessSpec, Real,
    ReplicaPlace, ResourceRequest, RetryPolicy, Run, Shape, Shared, Task, TaskGraph, TaskKey,
    Template, TemplateKey, ToExecutor, Toleration, Topology, Value, Variant,
};
use drawloom_proto::{TemplateReceiver, TemplateSender, append_chunk, split_graph, v1};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

fn span() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_nanos)
}

fn name() -> impl Strategy<Value = String> {
    "[a-zé ]{1,6}"
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        any::<bool>().prop_map(Attribute::Bool),
        any::<i64>().prop_map(Attribute::Int),
        (-1e9..1e9).prop_map(Attribute::Float),
        name().prop_map(Attribute::Text),
        vec(any::<i64>(), 0..3).prop_map(Attribute::Ints),
        vec(-1e9..1e9, 0..3).prop_map(Attribute::Floats),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    let kernel = (name(), btree_map(name(), attribute(), 0..3))
        .prop_map(|(name, attributes)| Run::Kernel(KernelCall { name, attributes }));
    let input = prop_oneof![
        Just(ProcessInput::Stdin),
        name().prop_map(ProcessInput::File),
        name().prop_map(ProcessInput::Map),
    ];
    let output = prop_oneof![
        Just(ProcessOutput::Stdout),
        Just(ProcessOutput::Stderr),
        Just(ProcessOutput::ExitCode),
        name().prop_map(ProcessOutput::File),
    ];
    let env = btree_map(name(), name(), 0..3);
    let files = (vec(input, 0..3), vec(output, 0..3));
    let process = (vec(name(), 0..3), env, option::of(name()), files, any::<bool>()).prop_map(
        |(argv, env, working_directory, (inputs, outputs), spawns)| {
            Run::Process(ProcessSpec { argv, env, working_directory, inputs, outputs, spawns })
        },
    );
    let constants = || btree_map(name(), attribute(), 0..3);
    let actor =
        (name(), constants(), option::of(name()), any::<bool>(), any::<u32>(), option::of(1..9u32))
            .prop_map(|(type_name, attributes, name, detached, mailbox, checkpoint_every)| {
                let lifetime = if detached { Lifetime::Detached } else { Lifetime::Job };
                let kind = ActorKind::Native { type_name, attributes };
                Run::Actor(Box::new(ActorSpec { kind, name, lifetime, mailbox, checkpoint_every }))
            });
    let callee =
        prop_oneof![any::<u32>().prop_map(ActorRef::Task), name().prop_map(ActorRef::Name)];
    let call = (callee, name(), constants())
        .prop_map(|(actor, method, attributes)| Run::Call(CallSpec { actor, method, attributes }));
    prop_oneof![kernel, process, cuda(), actor, call]
}

fn dtype() -> impl Strategy<Value = DType> {
    prop::sample::select(DType::ALL.to_vec())
}

fn expression() -> impl Strategy<Value = Expression> {
    let texts = ["7", "ceil_div(len(x), 256)", "-(n + 1) * shape(x, 0)", " max(1,2, n) "];
    prop::sample::select(texts.to_vec()).prop_map(|text| text.parse().expect(text))
}

fn cuda() -> impl Strategy<Value = Run> {
    let extents = || vec(expression(), 0..4);
    let real = || {
        prop_oneof![expression().prop_map(Real::Expression), (-1e9..1e9).prop_map(Real::Constant)]
    };
    let scalar = prop_oneof![
        expression().prop_map(CudaScalar::I32),
        expression().prop_map(CudaScalar::U32),
        expression().prop_map(CudaScalar::I64),
        expression().prop_map(CudaScalar::U64),
        real().prop_map(CudaScalar::F32),
        real().prop_map(CudaScalar::F64),
    ];
    let value = prop_oneof![
        dtype().prop_map(CudaValue::Input),
        (option::of(dtype()), extents())
            .prop_map(|(dtype, shape)| CudaValue::Output { dtype, shape }),
        scalar.prop_map(CudaValue::Scalar),
    ];
    let argument = (name(), value).prop_map(|(name, value)| CudaArgument { name, value });
    let source = prop_oneof![
        name().prop_map(|text| CudaSource::Cpp(text.into())),
        name().prop_map(|text| CudaSource::Ptx(text.into())),
    ];
    let launch = (extents(), extents(), expression());
    (source, name(), launch, vec(argument, 0..4), vec(name(), 0..3)).prop_map(
        |(source, entry, (grid, block, shared_bytes), arguments, options)| {
            Run::Cuda(Box::new(CudaSpec {
                source,
                entry,
                grid,
                block,
                shared_bytes,
                arguments,
                options,
            }))
        },
    )
}

fn request() -> impl Strategy<Value = ResourceRequest> {
    let gpu = any::<(u16, u32, u64, u16)>().prop_map(
        |(devices, milli, vram_bytes, min_compute_capability)| GpuRequest {
            devices,
            milli,
            vram_bytes,
            min_compute_capability,
        },
    );
    (any::<u64>(), any::<u64>(), option::of(gpu), custom()).prop_map(
        |(cpu_milli, memory_bytes, gpu, custom)| ResourceRequest {
            cpu_milli,
            memory_bytes,
            gpu,
            custom,
        },
    )
}

fn custom() -> impl Strategy<Value = BTreeMap<Arc<str>, u64>> {
    btree_map(name().prop_map(Into::into), any::<u64>(), 0..3)
}

fn failure_kind() -> impl Strategy<Value = FailureKind> {
    prop::sample::select(FailureKind::ALL.to_vec())
}

fn constraints() -> impl Strategy<Value = Constraints> {
    let operator = prop_oneof![
        vec(name(), 0..3).prop_map(LabelOperator::In),
        vec(name(), 0..3).prop_map(LabelOperator::NotIn),
        Just(LabelOperator::Exists),
        Just(LabelOperator::Absent),
    ];
    let label = (name(), operator).prop_map(|(key, operator)| LabelRequirement { key, operator });
    let toleration =
        (name(), option::of(name())).prop_map(|(key, value)| Toleration { key, value });
    (vec(label, 0..3), vec(toleration, 0..3))
        .prop_map(|(labels, tolerations)| Constraints { labels, tolerations })
}

fn retry() -> impl Strategy<Value = RetryPolicy> {
    (any::<u32>(), vec(failure_kind(), 0..4), span(), 1.0..9.0, span()).prop_map(
        |(max_retries, on, initial, factor, max)| RetryPolicy {
            max_retries,
            on: on.into_iter().collect(),
            backoff: Backoff { initial, factor, max },
        },
    )
}

fn template() -> impl Strategy<Value = Template> {
    let variant = (run(), request(), option::of(span()))
        .prop_map(|(run, request, cost_hint)| Variant { run, request, cost_hint });
    let times = (option::of(span()), option::of(span()));
    (vec(variant, 1..3), any::<u16>(), constraints(), any::<i32>(), retry(), times).prop_map(
        |(variants, outputs, constraints, priority, retry, (timeout, deadline))| Template {
            variants,
            outputs,
            constraints,
            priority,
            retry,
            timeout,
            deadline,
        },
    )
}

fn value() -> impl Strategy<Value = Value> {
    let dtype = dtype();
    let tensor = (dtype, vec(0u64..4, 0..4)).prop_map(|(dtype, extents)| {
        let shape = Shape::new(extents);
        let object_type = ObjectType::Tensor { dtype, shape };
        let size = object_type.size_bytes().expect("small extents") as usize;
        Value { object_type, data: vec![3; size].into() }
    });
    prop_oneof![vec(any::<u8>(), 0..9).prop_map(Value::blob), tensor]
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        any::<(u32, u16)>().prop_map(|(task, output)| Input::Task { task, output }),
        any::<u32>().prop_map(Input::Literal),
        any::<u32>().prop_map(Input::External),
    ]
}

fn gang() -> impl Strategy<Value = Gang> {
    let shared = prop_oneof![
        name().prop_map(Shared::Label),
        Just(Shared::NumaNode),
        Just(Shared::LinkedDevices),
    ];
    let demand = prop_oneof![Just(Demand::Preferred), Just(Demand::Required)];
    let topology = (shared, demand).prop_map(|(shared, demand)| Topology { shared, demand });
    let strategy = prop::sample::select(GangStrategy::ALL.to_vec());
    (name(), vec(any::<u32>(), 0..5), strategy, option::of(span()), option::of(topology)).prop_map(
        |(name, members, strategy, timeout, topology)| Gang {
            name,
            members,
            strategy,
            timeout,
            topology,
        },
    )
}

fn graph() -> impl Strategy<Value = TaskGraph> {
    let task = (option::of(name()), any::<u32>(), vec(input(), 0..4), vec(any::<u32>(), 0..3))
        .prop_map(|(name, template, inputs, after)| Task {
            name: name.map(Into::into),
            template,
            inputs,
            after,
        });
    let literal = (name(), value()).prop_map(|(name, value)| Literal { name, value });
    let output = (name(), input()).prop_map(|(name, object)| NamedOutput { name, object });
    (
        vec(template().prop_map(Arc::new), 0..3),
        vec(literal, 0..3),
        vec(any::<u128>().prop_map(ObjectId), 0..3),
        vec(task, 0..9),
        vec(output, 0..3),
        vec(gang(), 0..3),
    )
        .prop_map(|(templates, literals, externals, tasks, outputs, gangs)| TaskGraph {
            templates,
            literals,
            externals,
            tasks,
            outputs,
            gangs,
            ..TaskGraph::default()
        })
}

fn job() -> impl Strategy<Value = JobKey> {
    any::<u64>().prop_map(JobKey::from_bits)
}

fn object() -> impl Strategy<Value = ObjectKey> {
    (job(), any::<u32>()).prop_map(|(job, index)| ObjectKey { job, index })
}

fn attempt() -> impl Strategy<Value = AttemptId> {
    (job(), any::<u32>(), any::<u32>())
        .prop_map(|(job, index, number)| AttemptId { task: TaskKey { job, index }, number })
}

fn sources() -> impl Strategy<Value = Vec<Arc<str>>> {
    vec(name().prop_map(Into::into), 1..3)
}

fn assignment() -> impl Strategy<Value = Assignment> {
    let source = prop_oneof![
        Just(InputSource::Local),
        value().prop_map(InputSource::Inline),
        sources().prop_map(|sources| InputSource::Remote(sources.into())),
    ];
    let inputs = vec((object(), source, any::<bool>()), 0..3);
    let variant = any::<prop::sample::Index>();
    let part =
        prop_oneof![value().prop_map(ActorPart::Restore), attempt().prop_map(ActorPart::Callee)];
    let part = option::of(part.prop_map(Box::new));
    let numbers = (any::<u32>(), any::<u32>(), any::<i32>(), variant, any::<bool>(), part);
    (attempt(), template(), inputs, vec(any::<u16>(), 0..3), vec(any::<u32>(), 0..3), numbers)
        .prop_map(|(attempt, template, inputs, devices, waits_for, numbers)| {
            let (template_index, first_output, priority, variant, set_aside, actor) = numbers;
            let job = attempt.task.job;
            let input = |(object, source, own): (ObjectKey, InputSource, bool)| {
                let object = if own { ObjectKey { job, ..object } } else { object };
                AssignedInput { object, source }
            };
            Assignment {
                attempt,
                template_key: TemplateKey { job, index: template_index },
                variant: variant.index(template.variants.len()) as u8,
                template: Arc::new(template),
                devices: devices.into_iter().map(DeviceIndex).collect(),
                inputs: inputs.into_iter().map(input).collect(),
                waits_for: waits_for.into_iter().map(|index| TaskKey { job, index }).collect(),
                first_output: ObjectKey { job, index: first_output },
                priority,
                actor,
                set_aside,
                job_id: (priority % 2 == 0).then_some(JobId(7)),
            }
        })
}

fn to_executor() -> impl Strategy<Value = ToExecutor> {
    prop_oneof![
        assignment().prop_map(|assignment| ToExecutor::Run(Box::new(assignment))),
        attempt().prop_map(|attempt| ToExecutor::Cancel { attempt }),
        attempt().prop_map(|attempt| ToExecutor::Recall { attempt }),
        attempt().prop_map(|attempt| ToExecutor::Suspend { attempt }),
        attempt().prop_map(|attempt| ToExecutor::Resume { attempt }),
        vec(object(), 0..3).prop_map(|objects| ToExecutor::Release { objects }),
        (object(), sources()).prop_map(|(object, sources)| ToExecutor::Replicate {
            object,
            sources: sources.into()
        }),
        vec((job(), any::<u32>()), 0..3).prop_map(|keys| ToExecutor::ForgetTemplates {
            templates: keys.into_iter().map(|(job, index)| TemplateKey { job, index }).collect()
        }),
        (object(), value()).prop_map(|(object, value)| ToExecutor::Keep { object, value }),
        Just(ToExecutor::Stop),
        (attempt(), any::<bool>()).prop_map(|(attempt, moved)| ToExecutor::StopActor {
            attempt,
            then: if moved { AfterStop::Moved } else { AfterStop::Ended },
        }),
    ]
}

fn report() -> impl Strategy<Value = ObjectReport> {
    prop_oneof![
        value().prop_map(ObjectReport::Inline),
        (value(), any::<u64>()).prop_map(|(value, size_bytes)| ObjectReport::Stored {
            object_type: value.object_type,
            size_bytes
        }),
    ]
}

fn device_usage() -> impl Strategy<Value = DeviceUsage> {
    any::<[u64; 8]>().prop_map(|numbers| DeviceUsage {
        objects_bytes: numbers[0],
        inputs_found: numbers[1],
        inputs_uploaded: numbers[2],
        inputs_received: numbers[3],
        copied_bytes: numbers[4],
        evicted_bytes: numbers[5],
        launches: numbers[6],
        launch_cpu_nanos: numbers[7],
    })
}

fn from_executor() -> impl Strategy<Value = FromExecutor> {
    let outcome = prop_oneof![
        vec(report(), 0..3).prop_map(|reports| Outcome::Succeeded(reports.into())),
        (failure_kind(), name())
            .prop_map(|(kind, message)| Outcome::Failed(Failure { kind, message })),
        Just(Outcome::Cancelled),
    ];
    let device = || any::<u16>().prop_map(DeviceIndex);
    let end = (attempt(), outcome, span(), span(), option::of(device())).prop_map(
        |(attempt, outcome, run_time, queue_time, outputs_on)| {
            let end = AttemptEnd { attempt, outcome, run_time, queue_time, outputs_on };
            FromExecutor::Ended(Box::new(end))
        },
    );
    let place = prop_oneof![
        Just(ReplicaPlace::Memory),
        Just(ReplicaPlace::Disk),
        device().prop_map(ReplicaPlace::Device)
    ];
    prop_oneof![
        Just(FromExecutor::Heartbeat),
        vec(device_usage(), 0..3).prop_map(FromExecutor::DevicesUsed),
        attempt().prop_map(|attempt| FromExecutor::Started { attempt }),
        end,
        attempt().prop_map(|attempt| FromExecutor::Recalled { attempt }),
        (object(), any::<u64>(), span()).prop_map(|(object, size_bytes, took)| {
            FromExecutor::ReplicaAdded { object, size_bytes, took }
        }),
        object().prop_map(|object| FromExecutor::ReplicaLost { object }),
        (object(), place).prop_map(|(object, place)| FromExecutor::ReplicaMoved { object, place }),
        Just(FromExecutor::DrainRequested),
        (attempt(), value())
            .prop_map(|(attempt, state)| FromExecutor::Checkpointed { attempt, state }),
        attempt().prop_map(|attempt| FromExecutor::Resumed { attempt }),
        any::<(u16, u32, u64, u16)>().prop_map(
            |(device, milli, vram_bytes, compute_capability)| FromExecutor::DeviceChanged {
                device: DeviceIndex(device),
                capacity: DeviceCapacity { milli, vram_bytes, compute_capability },
            }
        ),
    ]
}

fn executor_info() -> impl Strategy<Value = ExecutorInfo> {
    let link = (any::<u16>().prop_map(DeviceIndex), prop::sample::select(LinkKind::ALL.to_vec()))
        .prop_map(|(to, kind)| DeviceLink { to, kind });
    let place = (option::of(any::<u32>()), vec(link, 0..3), option::of(name()), any::<bool>());
    let device = (name(), place, any::<(u32, u64, u16)>());
    let capacity = (any::<u64>(), any::<u64>(), custom());
    let node = (any::<u32>(), vec(any::<u32>(), 0..3), any::<u64>())
        .prop_map(|(id, cores, memory_bytes)| NumaNode { id, cores, memory_bytes });
    (vec(device, 0..3), capacity, vec(node, 0..2), name(), vec(name(), 0..3), any::<bool>())
        .prop_map(|(devices, capacity, numa_nodes, name, kernels, runs_processes)| {
            let (cpu_milli, memory_bytes, custom) = capacity;
            let offered = |(milli, vram_bytes, compute_capability)| DeviceCapacity {
                milli,
                vram_bytes,
                compute_capability,
            };
            let capacity = Capacity {
                cpu_milli,
                memory_bytes,
                devices: devices.iter().map(|(_, _, numbers)| offered(*numbers)).collect(),
                custom,
            };
            let known =
                |(name, (numa_node, links, slice_of, is_simulated), (_, memory_bytes, _))| {
                    let (uuid, pci) = (format!("GPU-{name}"), format!("0000:{name}"));
                    let named = DeviceInfo::named(name);
                    DeviceInfo {
                        is_simulated,
                        uuid,
                        pci,
                        slice_of,
                        memory_bytes,
                        numa_node,
                        links,
                        ..named
                    }
                };
            let devices = devices.into_iter().map(known).collect();
            let labels = BTreeMap::from([("zone".to_owned(), name.clone())]);
            let address = format!("unix:/{name}");
            ExecutorInfo {
                name,
                address,
                capacity,
                devices,
                numa_nodes,
                labels,
                taints: Vec::new(),
                actors: kernels.clone(),
                kernels,
                runs_processes,
                compiles_cuda: cpu_milli % 2 == 0,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn graphs_survive_however_they_are_split(graph in graph(), chunk_bytes in 1usize..4096) {
        let mut copy = TaskGraph::default();
        for chunk in split_graph(&graph, chunk_bytes) {
            append_chunk(&mut copy, chunk).expect("it came from a graph");
        }
        prop_assert_eq!(copy, graph);
    }

    #[test]
    fn orders_survive_and_templates_travel_once(messages in vec(to_executor(), 1..5)) {
        let (mut sender, mut receiver) = (TemplateSender::default(), TemplateReceiver::default());
        let mut orders = Vec::new();
        for message in messages.iter().chain(&messages) {
            sender.encode(message.clone(), &mut orders);
        }
        let decoded: Vec<_> = orders
            .into_iter()
            .filter_map(|order| receiver.decode(order).expect("it came from a message"))
            .collect();
        let expected: Vec<_> = messages.iter().chain(&messages).cloned().collect();
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn news_survive(message in from_executor()) {
        let wire = v1::FromExecutor::from(message.clone());
        prop_assert_eq!(FromExecutor::try_from(wire), Ok(message));
    }

    #[test]
    fn executors_survive(info in executor_info()) {
        prop_assert_eq!(ExecutorInfo::try_from(v1::ExecutorInfo::from(&info)), Ok(info));
    }
}

#[test]
fn the_field_at_fault_is_named() {
    let mut graph = TaskGraph { tasks: vec![Task::default(); 17], ..TaskGraph::default() };
    let input = v1::Input { kind: 0, index: 3, output: 70_000 };
    let task = v1::Task { inputs: vec![input], ..v1::Task::default() };
    let chunk = v1::GraphChunk { tasks: vec![task], ..v1::GraphChunk::default() };
    let error = append_chunk(&mut graph, chunk).expect_err("too large an output");
    assert_eq!(error.to_string(), "tasks[17].inputs[0].output: 70000 is out of range");

    let variant = v1::Variant::default();
    let template = v1::Template { variants: vec![variant], ..v1::Template::default() };
    let chunk = v1::GraphChunk { templates: vec![template], ..v1::GraphChunk::default() };
    let error = append_chunk(&mut graph, chunk).expect_err("nothing to run");
    assert_eq!(error.to_string(), "templates[0].variants[0].run: must be set");

    let chunk = v1::GraphChunk { externals: vec!["x".to_owned()], ..v1::GraphChunk::default() };
    let error = append_chunk(&mut graph, chunk).expect_err("no id");
    assert_eq!(error.field, "externals[0]");
}

#[test]
fn an_unknown_template_is_an_error() {
    let run = v1::Assignment { attempt: Some(v1::AttemptId::default()), ..Default::default() };
    let order = v1::ToExecutor { order: Some(v1::to_executor::Order::Run(run)) };
    let error = TemplateReceiver::default().decode(order).expect_err("never defined");
    assert_eq!(error.to_string(), "run.template: was not defined before");
}
