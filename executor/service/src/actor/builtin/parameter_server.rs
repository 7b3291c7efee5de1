//! A model's parameters, to which many add their gradients.

use std::sync::atomic::AtomicBool;

use drawloom_kernels::{CpuContext, Operand};
use drawloom_model::{Attribute, Attributes, Failure, KernelCall, Value};

use super::outputs::HeapOutputs;
use super::{failure, scalar_i64, unknown_method};
use crate::actor::types::{Actor, Construction, Context};

/// How parameters follow from gradients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Optimizer {
    Sgd,
    Adam,
}

/// Holds tensors and changes them by gradients.
///
/// The task's inputs are the parameters. The constant `optimizer` is `sgd` (the default) or
/// `adam`; further constants are the kernel's of that name, such as `lr`. Methods: `get` gives the
/// parameters; `apply` takes a gradient for each and gives the new version; `set` takes new
/// parameters of the same types; `version` gives how many gradients were applied, as an i64 scalar.
pub(super) struct ParameterServer {
    optimizer: Optimizer,
    constants: Attributes,
    parameters: Vec<Value>,
    /// Adam's running means, the first and second of each parameter; none before the first step.
    means: Vec<[Value; 2]>,
    version: i64,
}

impl ParameterServer {
    pub(super) fn new(construction: &Construction<'_>) -> Result<Self, Failure> {
        if construction.arguments.is_empty() {
            return Err(failure("parameter_server takes its parameters as inputs; there are none"));
        }
        let mut constants = construction.attributes.clone();
        let optimizer = match constants.remove("optimizer") {
            None => Optimizer::Sgd,
            Some(Attribute::Text(name)) if name == "sgd" => Optimizer::Sgd,
            Some(Attribute::Text(name)) if name == "adam" => Optimizer::Adam,
            Some(other) => {
                return Err(failure(format!("optimizer: {other} is neither sgd nor adam")));
            }
        };
        let mut server = ParameterServer {
            optimizer,
            constants,
            parameters: construction.arguments.to_vec(),
            means: Vec::new(),
            version: 0,
        };
        server.check_constants()?;
        Ok(server)
    }

    /// Tries a step that changes nothing that is kept, so that bad constants show at once.
    fn check_constants(&mut self) -> Result<(), Failure> {
        let zeros = self.zeros();
        let first = zeros[0].clone();
        self.step(0, &first, &[first.clone(), first.clone()]).map(drop)
    }

    fn zeros(&self) -> Vec<Value> {
        let zero = |value: &Value| Value {
            object_type: value.object_type.clone(),
            data: vec![0; value.data.len()].into(),
        };
        self.parameters.iter().map(zero).collect()
    }

    fn apply(&mut self, gradients: &[Value]) -> Result<(), Failure> {
        if gradients.len() != self.parameters.len() {
            let (wanted, got) = (self.parameters.len(), gradients.len());
            return Err(failure(format!("apply takes {wanted} gradient(s), got {got}")));
        }
        if self.optimizer == Optimizer::Adam && self.means.is_empty() {
            self.means = self.zeros().into_iter().map(|zero| [zero.clone(), zero]).collect();
        }
        // All or nothing: what was computed takes its place once every step is done.
        let mut made = Vec::with_capacity(gradients.len());
        for (place, gradient) in gradients.iter().enumerate() {
            let means = self.means.get(place).cloned();
            let means = means.unwrap_or_else(|| [gradient.clone(), gradient.clone()]);
            let step = self.step(place, gradient, &means);
            made.push(step.map_err(|f| failure(format!("gradient {place}: {}", f.message)))?);
        }
        for (place, values) in made.into_iter().enumerate() {
            let mut values = values.into_iter();
            if let Some(parameter) = values.next() {
                self.parameters[place] = parameter;
            }
            if let (Some(first), Some(second)) = (values.next(), values.next()) {
                self.means[place] = [first, second];
            }
        }
        self.version += 1;
        Ok(())
    }

    /// What the optimizer's kernel makes of one parameter.
    fn step(
        &self,
        place: usize,
        gradient: &Value,
        means: &[Value; 2],
    ) -> Result<Vec<Value>, Failure> {
        let mut attributes = self.constants.clone();
        let mut inputs = vec![&self.parameters[place], gradient];
        let name = match self.optimizer {
            Optimizer::Sgd => "sgd",
            Optimizer::Adam => {
                attributes.insert("step".to_owned(), Attribute::Int(self.version + 1));
                inputs.extend(means);
                "adam"
            }
        };
        let operands: Vec<Operand<'_>> = inputs
            .iter()
            .map(|value| Operand { object_type: &value.object_type, data: &value.data })
            .collect();
        let wanted = AtomicBool::new(false);
        let cpu = CpuContext::new(1, &wanted, None);
        let mut outputs = HeapOutputs::default();
        let call = KernelCall { name: name.to_owned(), attributes };
        drawloom_kernels::run(&call, &operands, &cpu, &mut outputs)
            .map_err(|error| failure(error.to_string()))?;
        Ok(outputs.finish())
    }

    fn set(&mut self, parameters: &[Value]) -> Result<(), Failure> {
        let types = |values: &[Value]| -> Vec<String> {
            values.iter().map(|value| value.object_type.to_string()).collect()
        };
        let (had, got) = (types(&self.parameters), types(parameters));
        if had != got {
            let (had, got) = (had.join(", "), got.join(", "));
            return Err(failure(format!("set takes parameters of types {had}, not {got}")));
        }
        self.parameters = parameters.to_vec();
        Ok(())
    }
}

impl Actor for ParameterServer {
    fn call(
        &mut self,
        method: &str,
        arguments: &[Value],
        _context: &mut Context<'_>,
    ) -> Result<Vec<Value>, Failure> {
        match method {
            "get" => return Ok(self.parameters.clone()),
            "apply" => self.apply(arguments)?,
            "set" => self.set(arguments)?,
            "version" => {}
            _ => {
                return Err(unknown_method("parameter_server", method, "apply, get, set, version"));
            }
        }
        Ok(vec![scalar_i64(self.version)])
    }

    fn is_brief(&self, method: &str) -> bool {
        matches!(method, "get" | "version")
    }

    /// One blob: the version, then each parameter's bytes and, for Adam, its means'.
    fn checkpoint(&mut self) -> Result<Option<Value>, Failure> {
        let mut state = self.version.to_le_bytes().to_vec();
        for value in self.parameters.iter().chain(self.means.iter().flatten()) {
            state.extend_from_slice(&value.data);
        }
        Ok(Some(Value::blob(state)))
    }

    fn restore(&mut self, state: &Value) -> Result<(), Failure> {
        let wrong = || failure("the kept state is not this parameter server's");
        let mut rest = state.data.clone();
        if rest.len() < 8 {
            return Err(wrong());
        }
        let version = rest.split_to(8);
        self.version = i64::from_le_bytes(version[..].try_into().map_err(|_| wrong())?);
        let sizes: usize = self.parameters.iter().map(|value| value.data.len()).sum();
        if rest.len() == 3 * sizes && self.optimizer == Optimizer::Adam {
            self.means = self.zeros().into_iter().map(|zero| [zero.clone(), zero]).collect();
        } else if rest.len() != sizes {
            return Err(wrong());
        }
        for value in self.parameters.iter_mut().chain(self.means.iter_mut().flatten()) {
            value.data = rest.split_to(value.data.len());
        }
        Ok(())
    }
}
